/** One of the two roles of a ring. */
export type Role = 'producer' | 'consumer'

/** Both roles. */
export const ROLES: readonly ['producer', 'consumer'] = ['producer', 'consumer']
