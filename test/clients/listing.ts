import type { BlockDevice } from '../../src/block/device.ts'
import { isRingError } from '../../src/errors.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { formatPosition, parsePosition } from '../../src/ring/shared/position-text.ts'
import { hex } from '../helpers/golden.ts'
import type { Listed } from './python.ts'

/** What a consumer comes to that skips damaged items. */
export interface Listing {
  readonly items: readonly Listed[]
  /** The code of each error that it met; the last one may have ended it. */
  readonly codes: readonly string[]
}

/** Everything that waits in a ring, as a consumer of this package reads it. */
export async function listing(device: BlockDevice): Promise<Listing> {
  const items: Listed[] = []
  const codes: string[] = []
  let consumer: Consumer | undefined
  try {
    consumer = await Consumer.attach(device)
    for (let from = consumer.position; ; ) {
      try {
        const popped = await consumer.popMany({ from })
        if (popped.length === 0) break
        for (const { item, position } of popped) {
          items.push({ position: formatPosition(position, consumer.format), hex: hex(item) })
          from = position
        }
      } catch (error) {
        if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
        codes.push(error.code)
        from = parsePosition(error.details.position)
      }
    }
  } catch (error) {
    if (!isRingError(error)) throw error
    codes.push(error.code)
  } finally {
    await consumer?.close()
  }
  return { items, codes }
}

/**
 * What a reader has to list of an image that only reads. By itself, a consumer ends where a batch is damaged that no
 * checkpoint covers yet: the next producer that attaches finds out that it was once whole. So if `verify` counts other
 * items, a producer attaches before.
 */
export async function expectedListing(image: () => Promise<BlockDevice>): Promise<Listing> {
  const alone = await listing(await image())
  const device = await image()
  try {
    const { log } = await verifyRing(device)
    if (log === undefined || log.items === alone.items.length) return alone
    const attached = await Producer.attach(device)
    if (attached.status === 'attached') await attached.producer.close()
  } catch (error) {
    if (!isRingError(error)) throw error
    return alone
  }
  return listing(device)
}
