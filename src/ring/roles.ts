/** The two roles of a ring. */
export const ROLES = ['producer', 'consumer'] as const
export type Role = (typeof ROLES)[number]
