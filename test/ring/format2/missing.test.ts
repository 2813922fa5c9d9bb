import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { isRingError } from '../../../src/errors.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { isBad } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { currentEpoch } from '../../../src/ring/format2/disk/epochs.ts'
import { encodeProducerSlot } from '../../../src/ring/format2/disk/slots.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { attachProducer } from '../../helpers/ring.ts'

const HELD = 3
const CLAIMED_MORE = 4

/** A ring of three items whose producer's slots call more committed; the epoch begins there as well, or it does not. */
async function contradictory(which: 'committed' | 'epoch'): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device, { format: 2 })
  await using producer = await attachProducer(device)
  await producer.append([Buffer.from('a'), Buffer.from('b'), Buffer.from('c')])
  await producer.close()
  // The next one begins an epoch, and says where.
  await (await attachProducer(device)).close()
  const disk = await Disk.open(device)
  const { producer: slots } = await disk.readSlots()
  const { producerSlots, blockSize } = disk.layout
  for (const [index, offset] of producerSlots.entries()) {
    const slot = slots[index === 0 ? 0 : 1]
    const newest = slots.findLast((each) => !isBad(each) && each.committed.seq === HELD)
    if (newest === undefined || isBad(newest) || isBad(slot)) throw new Error('no slot')
    const committed = { ...newest.committed, seq: HELD + CLAIMED_MORE }
    const last = { ...currentEpoch(newest.epochs), start: committed }
    // An epoch that begins there has to say the same, or the slot contradicts itself.
    const epochs = [...newest.epochs.slice(0, -1), ...(which === 'epoch' ? [last] : [])]
    const block = new Uint8Array(blockSize)
    const { generation } = slot
    encodeProducerSlot(block, offset, disk.ring.uuid, { ...newest, committed, epochs, generation })
    await device.write(offset / 512, [block])
  }
  return device
}

describe.each(['committed', 'epoch'] as const)(
  'slots that call more %s than batches hold',
  (which) => {
    test('verify tells how many are missing', async () => {
      const report = await verifyRing(await contradictory(which))
      expect(report).toMatchObject({
        sound: false,
        damagedItems: CLAIMED_MORE,
        log: { items: HELD },
      })
      expect(report.findings).toMatchObject([
        {
          severity: 'damage',
          structure: 'producer slots',
          items: CLAIMED_MORE,
          numbers: { first: HELD + 1, last: HELD + CLAIMED_MORE },
        },
      ])
    })

    test('a consumer is told the same, and continues after it', async () => {
      const device = await contradictory(which)
      {
        await using consumer = await Consumer.attach(device)
        const popped = await consumer.popMany()
        expect(popped).toHaveLength(HELD)
        const from = popped.at(-1)?.position ?? consumer.position
        const error = await consumer.popMany({ from }).catch((reason: unknown) => reason)
        if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
        expect(error).toMatchObject({ details: { items: CLAIMED_MORE } })
        await consumer.advance(from)
        const again = await consumer.popMany().catch((reason: unknown) => reason)
        expect(again).toMatchObject({ code: 'RING_DAMAGED', details: { items: CLAIMED_MORE } })
        await consumer.advance(parsePosition(error.details.position))
        expect(await consumer.popMany()).toEqual([])
      }
      await using producer = await attachProducer(device)
      await producer.append([Buffer.from('d')])
      await using consumer = await Consumer.attach(device)
      expect((await consumer.popMany()).map(({ item }) => String(Buffer.from(item)))).toEqual(['d'])
      expect((await inspectRing(device)).waitingItems).toBe(1)
      expect((await verifyRing(device)).sound).toBe(true)
    })
  },
)
