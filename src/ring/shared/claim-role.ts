import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import type { RoleHints } from '../hints.ts'
import { UNNAMED } from '../names.ts'
import type { Role } from '../roles.ts'
import type { AttachOptions, Names } from '../types.ts'
import { DEFAULT_MAX_ITEM_BYTES } from './item-limits.ts'
import { type KeptKey, keptKeyOf } from './key.ts'

const DEFAULT_REFRESH_INTERVAL_MS = 10

/** A role that was claimed. */
export interface Claimed {
  readonly device: BlockDevice
  readonly names: Names
  readonly clock: Clock
  readonly refreshIntervalMs: number
  /** The largest item that the role accepts, unless the ring accepts less. */
  readonly maxItemBytes: number
  /** True if something excludes a second handle. Otherwise a role reads its sectors before each write. */
  readonly exclusive: boolean
  /** The key that proves to holders and askers on this machine that this program has read the ring. */
  readonly kept: KeptKey
  /** Hints to and from the other role's holder on this machine. */
  readonly hints: RoleHints
  /** Releases the role. Once this resolves, nothing more is sent for it. Never fails. */
  readonly release: () => Promise<void>
  /**
   * Throws if the role is lost. Called before and after each operation. Absent if the role lasts as long as the
   * process.
   * @throws {RingError} `RING_LEASE_LOST`
   */
  readonly checkHeld?: () => void
}

/**
 * Claims a role of the ring on a device.
 * @param options checked already: see `checkAttachOptions`
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
export async function claimRole(
  device: BlockDevice,
  role: Role,
  options: AttachOptions,
  onRequest?: (request: string) => Promise<string>,
): Promise<Claimed> {
  const { queue = UNNAMED, client = UNNAMED, clock = systemClock } = options
  const { refreshIntervalMs = DEFAULT_REFRESH_INTERVAL_MS } = options
  const { maxItemBytes = DEFAULT_MAX_ITEM_BYTES } = options
  const holder = holderOf({ queue, client })
  const hints: RoleHints = {}
  const kept: KeptKey = {}
  const claim = device.capabilities.claim
    ? await device.claim(role, {
        holder,
        key: keptKeyOf(device, kept),
        ...(onRequest && { onRequest }),
        onHint: () => hints.onHint?.(),
        peer: role === 'producer' ? 'consumer' : 'producer',
      })
    : undefined
  const exclusive = claim !== undefined
  const release = async (): Promise<void> => claim?.release()
  hints.given = claim?.hints
  const names = { queue, client }
  return { device, names, clock, refreshIntervalMs, maxItemBytes, exclusive, kept, hints, release }
}

function holderOf({ queue, client }: Names): string {
  const who = client === UNNAMED ? '(no name given; set client)' : JSON.stringify(client)
  return `client ${who}${queue === UNNAMED ? '' : ` of queue ${JSON.stringify(queue)}`}`
}
