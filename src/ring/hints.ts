import type { BlockHints } from '../block/device.ts'

/** The hints of a role's claim. */
export interface RoleHints {
  /** Set once the role is claimed, unless there are none. */
  given?: BlockHints | undefined
  /** Called with each hint. Set by the code that waits for the role. */
  onHint?: () => void
}
