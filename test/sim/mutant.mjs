/**
 * Makes mutants that are searched in one format: a name, a mix of faults, how many seeds, and edits.
 * @param {{ format: string, device?: string }} where
 */
export const mutantsOf =
  (where) =>
  /** @param {[file: string, find: string, replace: string][]} edits */
  (name, mix, seeds, ...edits) => ({
    ...{ name, ...where, mix, seeds },
    edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
  })
