import {
  type ExploreOptions,
  exploreSeeds,
  type SeedOutcome,
  type Simulated,
} from '../../src/sim/index.ts'

/**
 * Runs seeds, and answers the counts of what happened.
 *
 * @throws {Error} a guarantee was violated: the trace, and the command that replays it
 */
export async function explored<C, O extends SeedOutcome<C>>(
  what: Simulated<C, O>,
  options: ExploreOptions,
): Promise<C> {
  const { counts, failing } = await exploreSeeds(what, options)
  if (failing !== undefined) throw new Error(await what.explain(failing, options))
  return counts
}
