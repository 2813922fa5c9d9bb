import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import type { OptionKinds } from '../../util/options.ts'
import { formatUuid } from '../format2/disk/block.ts'
import { freeLease } from '../format2/lease/free.ts'
import { LeaseStore, leaseOfRing } from '../format2/lease/store.ts'
import type { LeaseState, UnreadableLease } from '../lease-types.ts'
import { cannotRead } from '../report/unreadable.ts'
import type { Role } from '../roles.ts'
import { keyOf } from '../shared/key.ts'
import { leasePlaces, openLeasable } from './lease-places.ts'
import { salvage, unreadableBytes } from './readable-part.ts'

/** Options of {@link readLeases} and {@link breakLease}. */
export interface LeaseToolOptions {
  /** The source of time. Default: the system's. */
  readonly clock?: Clock
}

const KINDS: OptionKinds<LeaseToolOptions> = { clock: 'object' }

/** The leases of both roles, as far as they are readable. */
export interface RingLeases {
  /**
   * The UUID of the ring. A copy of a device has the same UUID and the same leases, so a lease may show as held there
   * by a host that uses the original.
   */
  readonly uuid: string
  /** The lease of the producer’s role. */
  readonly producer: LeaseState | UnreadableLease
  /** The lease of the consumer’s role. */
  readonly consumer: LeaseState | UnreadableLease
}

/**
 * Reads the leases of a ring, without taking a role. An unreadable lease is reported as such.
 * @throws {TypeError} an option is unknown or has the wrong type
 * @throws {RangeError} the ring is of format 1, which has no leases
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 * @throws {BlockError} as the device throws it, if too much is unreadable to find the ring
 */
export async function readLeases(
  device: BlockDevice,
  options: LeaseToolOptions = {},
): Promise<RingLeases> {
  checkCall('readLeases', device, options, KINDS)
  const { clock = systemClock } = options
  return await salvage(device, async (readable, format) => {
    const disk = await openLeasable(readable, format)
    const read = async (role: Role): Promise<LeaseState | UnreadableLease> => {
      const store = await LeaseStore.open(leaseOfRing(disk, role), clock)
      const state = await store.read()
      const { offset } = store
      const range = { offset, bytes: disk.layout.blockSize }
      const [lost] = await unreadableBytes(readable, range)
      return lost === undefined
        ? state
        : { status: 'unreadable', offset, problem: cannotRead(lost) }
    }
    const uuid = formatUuid(disk.ring.uuid)
    return { uuid, producer: await read('producer'), consumer: await read('consumer') }
  })
}

/**
 * Frees the lease of a role whose holder is gone for good; make sure that it is. A holder that is still running notices
 * only when it renews the lease, after a third of its timeout or later, and until then works beside a new holder. In a
 * damaged ring, the lease is searched at the offsets where rings have one.
 * @returns the previous state of the lease; if it was free, nothing is written
 * @throws {BlockError} `BLOCK_CLAIMED`: the role is held on this machine
 * @throws {RingError} `RING_SECTOR_SIZE`; as `readLeases`, if there is no lease either
 * @throws {RangeError} the ring is of format 1, which has no leases
 */
export async function breakLease(
  device: BlockDevice,
  role: Role,
  options: LeaseToolOptions = {},
): Promise<LeaseState> {
  checkCall('breakLease', device, options, KINDS)
  const { clock = systemClock } = options
  const places = await leasePlaces(device)
  const claim = device.capabilities.claim
    ? await device.claim(role, { holder: 'a program that breaks the lease', key: keyOf(device) })
    : undefined
  try {
    const before: LeaseState[] = []
    for (const place of places.filter((each) => each.role === role)) {
      before.push(await freeLease(await LeaseStore.open(place, clock), clock))
    }
    return before.find(({ status }) => status !== 'free') ?? before[0] ?? { status: 'never' }
  } finally {
    await claim?.release()
  }
}
