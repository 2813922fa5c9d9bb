import type { BlockDevice } from '../block/device.ts'
import { type Clock, systemClock } from '../clock.ts'
import { refuseLeases } from './attach.ts'
import { detectFormat } from './detect.ts'
import { formatUuid } from './format2/disk/block.ts'
import { Disk } from './format2/disk/disk.ts'
import { newNonce, TIMEOUT_MS } from './format2/disk/lease-block.ts'
import type { LeasedRole } from './format2/lease/block.ts'
import { LeaseStore } from './format2/lease/store.ts'
import { keyOf } from './key.ts'
import type { LeaseRecord, LeaseState, UnreadableLease } from './lease-types.ts'
import { cannotRead, salvage, unreadableBytes } from './report/read-around.ts'

/** The leases of both roles, as far as they can be read. */
export interface RingLeases {
  /**
   * The UUID of the ring. A copy of a device has the same one, and the same leases: what is held there may be held by who is at
   * work on the original.
   */
  readonly uuid: string
  readonly producer: LeaseState | UnreadableLease
  readonly consumer: LeaseState | UnreadableLease
}

/**
 * Reads the leases of a ring, taking no role. What cannot be read is told, and read around.
 * @throws {RangeError} the ring is of format 1, which has none
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_CORRUPT`, `RING_UNSUPPORTED`
 * @throws {BlockError} as the device throws it, where so much cannot be read that nothing can be told
 */
export async function readLeases(
  device: BlockDevice,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<RingLeases> {
  return await salvage(device, async (readable, format) => {
    const disk = await openDisk(readable, format)
    const read = async (role: LeasedRole): Promise<LeaseState | UnreadableLease> => {
      const store = await LeaseStore.open(disk, role, clock)
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
 * Frees the lease of a role whose holder is gone for good. A holder that is still there finds out when it renews the
 * lease, after a third of its timeout or later; whoever takes the role before that works beside it. So make sure.
 * @returns what the lease was before; nothing is written if nobody held it
 * @throws {BlockError} `BLOCK_CLAIMED`: the role is held on this machine
 * @throws as `readLeases`
 */
export async function breakLease(
  device: BlockDevice,
  role: LeasedRole,
  { clock = systemClock }: { readonly clock?: Clock } = {},
): Promise<LeaseState> {
  const store = await LeaseStore.open(
    await openDisk(device, await detectFormat(device)),
    role,
    clock,
  )
  const claim = device.capabilities.claim
    ? await device.claim(role, { holder: 'one who breaks the lease', key: keyOf(device) })
    : undefined
  try {
    const before = await store.read()
    if (before.status === 'held')
      await store.write({ ...before, ...freed(clock), counter: before.counter + 1 })
    if (before.status === 'damaged') await store.write({ ...UNKNOWN, ...freed(clock) })
    return before
  } finally {
    await claim?.release()
  }
}

/** What replaces a record of which nothing is known. */
const UNKNOWN = {
  owner: 'unknown',
  confirmed: true,
  epoch: 1,
  counter: 1,
  timeoutMs: TIMEOUT_MS.default,
} as const

function freed(clock: Clock): Pick<LeaseRecord, 'status' | 'nonce' | 'time'> {
  return { status: 'free', nonce: newNonce(), time: clock.time() }
}

async function openDisk(device: BlockDevice, format: 1 | 2): Promise<Disk> {
  if (format === 1) await refuseLeases(device)
  return Disk.open(device)
}
