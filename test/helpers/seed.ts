/**
 * What random inputs follow from. It is the same in each run of `npm test` and `npm run test:system`; `npm run
 * test:proofs` draws a new one and prints it. SBR_SEED replays a run.
 */
export const SEED: number = Number(process.env['SBR_SEED'] ?? 1)
