import type { BlockDevice, BlockHolder } from '../../block/device.ts'
import { keyOf } from '../shared/key.ts'

/** The holders of a ring's roles. */
export interface RingHolders {
  /** The holder of the producer's role; undefined if there is none on this machine. */
  readonly producer: BlockHolder | undefined
  /** The holder of the consumer's role, likewise. */
  readonly consumer: BlockHolder | undefined
}

/**
 * Finds the holders of a ring's roles: each reports its client, process, host and start time, to processes that prove
 * that they can read the device. Takes no role. Of a holder in another container only the lock is visible; a holder on
 * another machine is not visible.
 * @throws {BlockError} `BLOCK_UNSUPPORTED`: the device has no claims; `BLOCK_DISCONNECTED`
 */
export async function whoHolds(device: BlockDevice): Promise<RingHolders> {
  const key = keyOf(device)
  const producer = await device.holderOf('producer', { key })
  const consumer = await device.holderOf('consumer', { key })
  return { producer, consumer }
}
