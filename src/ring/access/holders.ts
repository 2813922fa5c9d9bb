import type { BlockDevice, BlockHolder } from '../../block/device.ts'
import { keyOf } from '../shared/key.ts'

/** Who holds the roles of a ring. */
export interface RingHolders {
  /** The producer; undefined if there is none on this machine. */
  readonly producer: BlockHolder | undefined
  /** The consumer, likewise. */
  readonly consumer: BlockHolder | undefined
}

/**
 * Who holds the roles of a ring: what each holder says of itself (client, process, host, start time), told only to processes that prove
 * that they can read the device. Takes no role. Of a holder in another container only the lock is visible; one on another machine is not.
 * @throws {BlockError} `BLOCK_UNSUPPORTED`: the device has no claims; `BLOCK_DISCONNECTED`
 */
export async function whoHolds(device: BlockDevice): Promise<RingHolders> {
  const key = keyOf(device)
  const producer = await device.holderOf('producer', { key })
  const consumer = await device.holderOf('consumer', { key })
  return { producer, consumer }
}
