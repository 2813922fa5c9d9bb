import { describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { crc32c } from '../../../src/checksum/crc32c.ts'
import { isRingError } from '../../../src/errors.ts'
import { Consumer } from '../../../src/ring/access/attach.ts'
import {
  BATCH_HEADER_BYTES,
  ENTRY_BYTES,
  parseHeader,
} from '../../../src/ring/format2/disk/batch.ts'
import { isBad } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import {
  type ConsumerSlot,
  encodeConsumerSlot,
  encodeProducerSlot,
  type ProducerSlot,
} from '../../../src/ring/format2/disk/slots.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { pushBatches, smallRing } from '../../helpers/damage.ts'
import { attachProducer } from '../../helpers/ring.ts'

const BLOCKS = 32
const item = (length: number): Uint8Array => new Uint8Array(length).fill(7)

interface Changes {
  readonly producer?: (slot: ProducerSlot) => Partial<ProducerSlot>
  readonly consumer?: (slot: ConsumerSlot) => Partial<ConsumerSlot>
}

/** Changes what all slots say, with checksums that hold. */
async function rewrite(
  device: MemoryBlockDevice,
  { producer = () => ({}), consumer = () => ({}) }: Changes,
): Promise<void> {
  const disk = await Disk.open(device)
  const { producerSlots, consumerSlots, blockSize } = disk.layout
  const slots = await disk.readSlots()
  const { uuid } = disk.ring
  for (const which of [0, 1] as const) {
    const said = slots.producer[which]
    const heard = slots.consumer[which]
    if (isBad(said) || isBad(heard)) throw new Error('a slot is damaged')
    const block = new Uint8Array(blockSize)
    encodeProducerSlot(block, producerSlots[which], uuid, { ...said, ...producer(said) })
    await device.write(disk.sectorOf(producerSlots[which]), [block])
    encodeConsumerSlot(block, consumerSlots[which], uuid, { ...heard, ...consumer(heard) })
    await device.write(disk.sectorOf(consumerSlots[which]), [block])
  }
}

/** What a consumer comes to that skips what is damaged. */
async function consumed(device: MemoryBlockDevice) {
  await using consumer = await Consumer.attach(device)
  let [items, damaged, from] = [0, 0, consumer.position]
  for (;;) {
    try {
      const popped = await consumer.popMany({ from })
      if (popped.length === 0) return { items, damaged }
      items += popped.length
      from = popped.at(-1)?.position ?? from
    } catch (error) {
      if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
      damaged += error.details.items ?? 0
      from = parsePosition(error.details.position)
    }
  }
}

async function verified(device: MemoryBlockDevice) {
  const { log, damagedItems: damaged } = await verifyRing(device)
  return { items: log?.items, damaged }
}

describe('verify and a consumer agree', () => {
  test('on a batch in which every other item is damaged, though none has a byte', async () => {
    const device = await smallRing(BLOCKS)
    const items = 100
    await pushBatches(device, [Array(items).fill(item(0))])
    const disk = await Disk.open(device)
    const bytes = await disk.readBlocks(0, BLOCKS)
    const header = parseHeader(bytes, 0, disk.uuid, disk.layout)
    if (header === undefined) throw new Error('there is no batch')
    const view = new DataView(bytes.buffer, bytes.byteOffset)
    const end = BATCH_HEADER_BYTES + items * ENTRY_BYTES
    for (let at = BATCH_HEADER_BYTES; at < end; at += 2 * ENTRY_BYTES)
      view.setUint32(at + 4, 1, true)
    view.setUint32(72, crc32c(bytes.subarray(BATCH_HEADER_BYTES, end)), true)
    const crc = crc32c(bytes.subarray(8, BATCH_HEADER_BYTES))
    view.setUint32(4, crc, true)
    await disk.writeBlocks(0, bytes)
    await rewrite(device, {
      producer: ({ committed }) => ({
        committed: committed.lsn === 0 ? committed : { ...committed, crc },
      }),
    })
    const { log, findings, damagedItems } = await verifyRing(device)
    expect({ items: log?.items, damaged: damagedItems }).toEqual(await consumed(device))
    const lost = findings.flatMap((finding) => finding.numbers ?? [])
    expect(lost).toEqual(
      Array.from({ length: items / 2 }, (_, index) => ({
        first: 2 * index + 1,
        last: 2 * index + 1,
      })),
    )
  })

  test('on a slot that commits up to a log position far ahead, with fewer items than precede it', async () => {
    const device = await smallRing(BLOCKS)
    await pushBatches(device, [
      [item(10), item(20)],
      [item(30), item(40), item(50)],
    ])
    await rewrite(device, {
      producer: ({ committed }) => ({
        committed: { ...committed, lsn: committed.lsn + 2 ** 51, seq: 2 },
      }),
    })
    expect(await verified(device)).toEqual(await consumed(device))
  })

  test('on a cursor with a wrong count of bytes, at a log position that the producer knows', async () => {
    const device = await smallRing(BLOCKS)
    const producer = await attachProducer(device)
    await producer.append([item(10), item(20)])
    await rewrite(device, {
      consumer: () => ({
        cursor: { logPosition: { lsn: 0, seq: 0, bytes: 1, crc: 0 }, index: 0, bytes: 0 },
      }),
    })
    expect(await verified(device)).toEqual({ items: 2, damaged: 0 })
    expect(await consumed(device)).toEqual({ items: 2, damaged: 0 })
    await producer.close()
  })

  test('on a cursor past the last committed batch that counts fewer items than are committed', async () => {
    const device = await smallRing(BLOCKS)
    await pushBatches(device, [[item(10), item(20)]])
    await rewrite(device, {
      producer: () => ({ committed: { lsn: 1, seq: 2, bytes: 30, crc: 7 } }),
      consumer: ({ cursor }) => ({
        seen: 2,
        cursor: { ...cursor, logPosition: { ...cursor.logPosition, lsn: 9, seq: 1 } },
      }),
    })
    const report = await verifyRing(device)
    expect(report.sound).toBe(false)
    expect(report.log).toBeUndefined()
    expect(report.findings.at(-1)).toMatchObject({ severity: 'damage', structure: 'slots' })
    await expect(Consumer.attach(device)).rejects.toMatchObject({ code: 'RING_CORRUPT' })
  })

  test('on a batch that extends past the committed log position', async () => {
    const device = await smallRing(BLOCKS)
    await pushBatches(device, [[item(2000)]])
    await rewrite(device, {
      producer: () => ({ committed: { lsn: 2, seq: 1, bytes: 0, crc: 0 } }),
    })
    expect(await verified(device)).toEqual({ items: 0, damaged: 1 })
    expect(await consumed(device)).toEqual({ items: 0, damaged: 1 })
  })

  test('on a committed log position whose checksum is not that of the batch before it', async () => {
    const device = await smallRing(BLOCKS)
    await pushBatches(device, [[item(10)]])
    const producer = await attachProducer(device)
    await producer.append([item(20)])
    await producer.close()
    await rewrite(device, {
      producer: ({ committed }) => ({ committed: { ...committed, crc: committed.crc ^ 1 } }),
    })
    expect(await verified(device)).toEqual(await consumed(device))
  })
})
