import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { isRingError } from '../../../src/errors.ts'
import { asPosition, type Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { encodeBatch } from '../../../src/ring/format2/disk/batch.ts'
import { cursorAt } from '../../../src/ring/format2/disk/cursor.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { type LogPosition, ORIGIN } from '../../../src/ring/format2/disk/log-position.ts'
import type { ConsumerSlot, ProducerSlot } from '../../../src/ring/format2/disk/slots.ts'
import { newestConsumer, newestProducer } from '../../../src/ring/format2/role.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { attachProducer } from '../../helpers/ring.ts'

const MIB = 1 << 20
const item = (length: number, byte = 7): Uint8Array => new Uint8Array(length).fill(byte)

/** A ring whose producer was far on already: so many items, in as many blocks, before its log begins. */
async function advancedRing(seq: number, lsn: number): Promise<MemoryBlockDevice> {
  const device = await smallRing(16)
  const disk = await Disk.open(device)
  const slots = await disk.readSlots()
  const logPosition: LogPosition = { lsn, seq, bytes: 0, crc: 0 }
  const producer: ProducerSlot = {
    ...newestProducer(slots.producer, 'test').slot,
    ...{
      committed: logPosition,
      truncatedTo: logPosition,
      epochs: [{ epoch: 1, start: logPosition, span: 0 }],
    },
  }
  const consumer: ConsumerSlot = {
    ...newestConsumer(slots.consumer, 'test').slot,
    cursor: cursorAt(logPosition),
  }
  for (const which of [0, 1] as const) {
    await disk.writeProducerSlot(which, { ...producer, generation: 3 + which })
    await disk.writeConsumerSlot(which, { ...consumer, generation: 3 + which })
  }
  return device
}

test('counts that come to their end are refused before anything is written, and what is there can be read', async () => {
  const device = await advancedRing(2 ** 52 - 3, 2 ** 51)
  const producer = await attachProducer(device, { clock: new FakeClock() })
  expect(await producer.append([item(1, 1), item(1, 2)])).toMatchObject({ status: 'ok' })
  const before = hex(await deviceBytes(device))
  for (const push of [
    () => producer.append([item(1, 3)]),
    () => producer.pushMany([item(1, 3)]),
    () => producer.push(item(1, 3)),
  ]) {
    await expect(push()).rejects.toMatchObject({ code: 'RING_EXHAUSTED' })
  }
  expect(hex(await deviceBytes(device))).toBe(before)
  await producer.close()
  expect(await verifyRing(device)).toMatchObject({ sound: true, log: { items: 2 } })
  expect((await take(device, 10)).map((popped) => popped.item[0])).toEqual([1, 2])
})

test('log positions that come to their end are refused before anything is written', async () => {
  const device = await advancedRing(5, 2 ** 52 - 20)
  await using producer = await attachProducer(device, { clock: new FakeClock() })
  let pushed = 0
  for (;;) {
    try {
      await producer.append([item(1, pushed)])
      pushed++
    } catch (error) {
      expect(isRingError(error) && error.code).toBe('RING_EXHAUSTED')
      break
    }
  }
  expect(pushed).toBeGreaterThan(0)
  expect(await take(device, 100)).toHaveLength(pushed)
})

test('a slot whose generation is at its end is not written any more', async () => {
  const device = await smallRing(16)
  const disk = await Disk.open(device)
  const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
  const last = { ...slot, generation: 2 ** 52 - 1 }
  await disk.writeProducerSlot(0, last)
  const before = hex(await deviceBytes(device))
  await expect(Producer.attach(device)).rejects.toMatchObject({ code: 'RING_EXHAUSTED' })
  expect(hex(await deviceBytes(device))).toBe(before)
  await expect(disk.writeProducerSlot(1, { ...slot, generation: 2 ** 52 })).rejects.toMatchObject({
    code: 'RING_EXHAUSTED',
  })
})

test('a consumer whose generation came to its end can be read on, also after idling', async () => {
  const device = await smallRing(16)
  await pushBatches(device, [[item(1, 1)], [item(1, 2)]])
  const disk = await Disk.open(device)
  const { slot } = newestConsumer((await disk.readSlots()).consumer, 'test')
  await disk.writeConsumerSlot(0, { ...slot, generation: 2 ** 52 - 1 })
  const before = hex(await deviceBytes(device))
  const clock = new FakeClock()
  const consumer = await Consumer.attach(device, { clock })
  for (let times = 0; times < 3; times++) {
    const popped = await consumer.popMany()
    expect(popped.map((entry) => entry.item)).toEqual([item(1, 1), item(1, 2)])
    const { position } = popped[1] as { position: Position }
    await expect(consumer.advance(position)).rejects.toMatchObject({ code: 'RING_EXHAUSTED' })
    await clock.advance(10_000)
  }
  await consumer.close()
  expect(hex(await deviceBytes(device))).toBe(before)
})

test('a repair copies a slot at the end of its generations, and is done then', async () => {
  const device = await smallRing(16)
  const disk = await Disk.open(device)
  const { slot } = newestConsumer((await disk.readSlots()).consumer, 'test')
  await disk.writeConsumerSlot(0, { ...slot, generation: 2 ** 52 - 1 })
  await device.writeZeroes(disk.layout.consumerSlots[1] / 512, 1)
  expect((await repairRing(device, { write: true })).actions).toHaveLength(1)
  expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
  expect((await repairRing(device, { write: true })).actions).toEqual([])
})

const START: LogPosition = { lsn: 4, seq: 4, bytes: 40, crc: 5 }

/** Places to which the log cannot lead from `START`. */
const NOWHERE: Readonly<Record<string, LogPosition>> = {
  'more items in no block': { ...START, seq: 6 },
  'other bytes in no block': { ...START, bytes: 41 },
  'another chain': { ...START, crc: 6 },
  'more items than the blocks between hold': { ...START, lsn: 5, seq: 4 + 65 },
  'more bytes than the blocks between hold': { ...START, lsn: 5, bytes: 40 + 513 },
  'fewer bytes': { ...START, lsn: 9, bytes: 39 },
}

test.each(Object.entries(NOWHERE))(
  'a slot whose marks cannot lead to each other is damaged: %s',
  async (_, logPosition) => {
    const device = await smallRing(16)
    const disk = await Disk.open(device)
    const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
    const epoch = { epoch: 9, start: START, span: 0 }
    const well = { ...slot, generation: 9, truncatedTo: START, committed: START, epochs: [epoch] }
    const refused = { code: 'RING_EXHAUSTED' }
    await disk.writeProducerSlot(0, well)
    for (const wrong of [
      { ...well, committed: logPosition },
      { ...well, committed: logPosition, truncatedTo: logPosition },
      { ...well, committed: logPosition, epochs: [{ ...epoch, start: logPosition }] },
    ]) {
      await expect(disk.writeProducerSlot(1, wrong)).rejects.toMatchObject(refused)
    }
  },
)

test('a rebuild writes no slot that nobody could read', async () => {
  const device = await smallRing(16)
  const disk = await Disk.open(device)
  const start: LogPosition = { lsn: 2 ** 52 - 1, seq: 3, bytes: 9, crc: 0 }
  const batch = new Uint8Array(512)
  const fields = { start, epoch: 1, committedTo: 4, time: 0 }
  encodeBatch(batch, [item(1)], fields, disk.uuid)
  await disk.writeBlocks(start.lsn, batch)
  for (const offset of disk.layout.producerSlots) await device.writeZeroes(offset / 512, 1)
  const before = hex(await deviceBytes(device))
  const repair = repairRing(device, { write: true, rebuild: true })
  await expect(repair).rejects.toMatchObject({ code: 'RING_EXHAUSTED' })
  expect(hex(await deviceBytes(device))).toBe(before)
})

test('a mark that counts more items than its blocks can hold is damage', async () => {
  const device = await smallRing(16)
  const disk = await Disk.open(device)
  const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
  const far = { ...slot.committed, lsn: 3, seq: 4 * 64 + 1 }
  await expect(disk.writeProducerSlot(0, { ...slot, committed: far })).rejects.toMatchObject({
    code: 'RING_EXHAUSTED',
  })
  await disk.writeProducerSlot(0, { ...slot, committed: { ...far, seq: 3 * 64 }, generation: 9 })
})

test.each(['producer', 'consumer'] as const)(
  'slots of the %s that contradict each other: roles refuse, tools tell, a rebuild makes them again',
  async (role) => {
    const device = await smallRing(16)
    await pushBatches(device, [[item(1, 1)], [item(1, 2)]])
    if (role === 'consumer') await take(device, 1)
    const disk = await Disk.open(device)
    const slots = await disk.readSlots()
    if (role === 'producer') {
      const { slot, which } = newestProducer(slots.producer, 'test')
      const back = { lsn: 0, seq: 0, bytes: 0, crc: 0 }
      const epochs = slot.epochs.map((epoch) => ({ ...epoch, start: back }))
      const older = { ...slot, committed: back, epochs, generation: slot.generation + 1 }
      await disk.writeProducerSlot(which === 0 ? 1 : 0, older)
    } else {
      const { slot, which } = newestConsumer(slots.consumer, 'test')
      const cursor = { ...slot.cursor, logPosition: ORIGIN }
      const older = { ...slot, cursor, generation: slot.generation + 1 }
      await disk.writeConsumerSlot(which === 0 ? 1 : 0, older)
    }
    const refused = { code: 'RING_CORRUPT', message: expect.stringContaining('slots') }
    await expect(Consumer.attach(device)).rejects.toMatchObject(refused)
    await expect(Producer.attach(device)).rejects.toMatchObject(refused)
    const { findings } = await verifyRing(device)
    expect(findings).toMatchObject([{ structure: `${role} slots`, severity: 'damage' }])
    await repairRing(device, { write: true })
    expect((await verifyRing(device)).sound).toBe(false)
    await repairRing(device, { write: true, rebuild: true })
    expect((await verifyRing(device)).sound).toBe(true)
    const popped = (await take(device, 10)).map((each) => each.item[0])
    expect(popped.at(-1)).toBe(2)
  },
)

test('an item above a reader’s limit is reported with its position, and can be skipped', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: (64 * MIB) / 512 })
  await Producer.create(device)
  const clock = new FakeClock()
  const large = item(20 * MIB, 3)
  {
    await using small = await attachProducer(device, { clock })
    await expect(small.append([large])).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
  }
  {
    await using producer = await attachProducer(device, { clock, maxItemBytes: 32 * MIB })
    await producer.append([item(10, 1)])
    await producer.append([large])
    await producer.append([item(10, 2)])
  }
  expect(await verifyRing(device)).toMatchObject({ sound: true, log: { items: 3 } })
  expect(await inspectRing(device)).toMatchObject({ waitingItems: 3 })
  for (const onDamage of ['stop', 'skip'] as const) {
    const copy = await damagedCopy(device)
    await using consumer = await Consumer.attach(copy, { clock, onDamage })
    const [first, ...none] = await consumer.popMany()
    expect([first?.item[0], none]).toEqual([1, []])
    await consumer.advance(first?.position ?? asPosition(0n))
    const refused: unknown = await consumer.popMany().catch((error: unknown) => error)
    if (!isRingError(refused)) throw refused
    expect(refused).toMatchObject({
      code: 'RING_ITEM_TOO_LARGE',
      details: { found: String(20 * MIB), expected: `at most ${16 * MIB}` },
    })
    await consumer.advance(parsePosition(refused.details.position ?? ''))
    expect((await consumer.popMany()).map((popped) => popped.item[0])).toEqual([2])
  }
  await using consumer = await Consumer.attach(device, { clock, maxItemBytes: 32 * MIB })
  const popped = await consumer.popMany()
  expect(popped.map((each) => each.item.length)).toEqual([10, 20 * MIB])
})

test('damage in an item that is not held in memory is found all the same', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: (32 * MIB) / 512 })
  await Producer.create(device)
  const producer = await attachProducer(device, { clock: new FakeClock() })
  await producer.append([item(10 * MIB, 3)])
  await producer.append([item(10, 2)])
  await producer.close()
  const damaged = await damagedCopy(device, 45_056 + 5 * MIB)
  expect(await verifyRing(damaged)).toMatchObject({ damagedItems: 1, log: { items: 1 } })
  const told = { code: 'RING_DAMAGED', details: { numbers: { first: 1, last: 1 } } }
  await using consumer = await Consumer.attach(damaged, { maxItemBytes: 1 * MIB })
  await expect(consumer.popMany()).rejects.toMatchObject(told)
})

test('the age of the oldest item is known even if it is damaged, and unknown if nothing records it', async () => {
  const clock = new FakeClock()
  const device = await smallRing(16)
  expect((await inspectRing(device)).stats).toMatchObject({ lagMs: 0 })
  const producer = await attachProducer(device, { clock })
  await producer.append([item(40, 1), item(40, 2)])
  const since = clock.time()
  await clock.advance(5000)
  await producer.append([item(40, 3)])
  await producer.close()
  const DATA = 45_056
  const { stats: sound } = await inspectRing(device)
  expect(sound).toMatchObject({ oldestAt: since, lagMs: 5000 })
  const { stats: damaged } = await inspectRing(await damagedCopy(device, DATA + 80 + 16 + 3))
  expect(damaged).toMatchObject({ oldestAt: since, lagMs: 5000 })
  const { stats: unknown, waitingItems } = await inspectRing(await damagedCopy(device, DATA + 20))
  expect([waitingItems, unknown?.oldestAt, unknown?.lagMs]).toEqual([3, undefined, undefined])
})

test('an item that is too large is told with its own length, without what a record of format 1 has before it', async () => {
  const device = await smallRing(16)
  const producer = await attachProducer(device, { clock: new FakeClock() })
  const length = producer.maxItemBytes + 1
  await expect(producer.push(item(length))).rejects.toMatchObject({
    code: 'RING_ITEM_TOO_LARGE',
    message: expect.stringContaining(`The ring is too small for a message of size ${length} bytes`),
    details: { found: String(length) },
  })
})
