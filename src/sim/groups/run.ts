import type { World } from '../world/world.ts'
import type { Member } from './member.ts'
import type { GroupsOracle } from './oracle.ts'
import type { GroupsPlan } from './plan.ts'
import type { Pusher } from './pusher.ts'
import type { GroupRings } from './rings.ts'
import type { Running } from './running.ts'

/** The part of a run that the checks at its end use. */
export interface GroupsRun {
  readonly plan: GroupsPlan
  readonly world: World
  readonly oracle: GroupsOracle
  readonly rings: GroupRings
  readonly members: readonly Running<Member>[]
  readonly producers: readonly Running<Pusher>[]
  /** When a request last failed. */
  failedAt(): number
  /** From now on, a member that leaves does not come back by itself. */
  beginLeaving(): void
  /** Starts a member that has left. */
  launch(member: Running<Member>): void
}
