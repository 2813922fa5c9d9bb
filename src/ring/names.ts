import type { Names } from './types.ts'

/** The name of a queue or a client that has none. */
export const UNNAMED = 'unknown'

/** The names of a handle that has none: what reads without a role. */
export const NO_NAMES: Names = { queue: UNNAMED, client: UNNAMED }
