import { beforeEach, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/index.ts'
import type { Position } from '../../../src/position.ts'
import { encodeBatch, parseHeader } from '../../../src/ring/format2/disk/batch.ts'
import { isBad } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import type { LogPosition } from '../../../src/ring/format2/disk/log-position.ts'
import {
  encodeProducerSlot,
  type ProducerSlot,
  parseProducerSlot,
} from '../../../src/ring/format2/disk/slots.ts'
import { newestConsumer, newestProducer } from '../../../src/ring/format2/role.ts'
import { parsePosition } from '../../../src/ring/shared/position-text.ts'
import { inspectRing } from '../../../src/tools.ts'
import { collect } from '../../helpers/collect.ts'
import { attachProducer } from '../../helpers/ring.ts'
import { LIMITS } from '../exercise.ts'
import { MeteredDevice } from '../meter.ts'
import { stillClock } from '../still-clock.ts'

// Images of the fuzzer, made small. Each of these threw an error of the language's, or did not end.

const BLOCK = 512
const options = { clock: stillClock, refreshIntervalMs: 0 }
let device: MeteredDevice
let disk: Disk

/** A ring of 32 blocks, whose device refuses when too much is asked of it. */
async function makeRing(onFull: 'wait' | 'overwrite'): Promise<void> {
  const memory = new MemoryBlockDevice({ sizeSectors: 144 })
  await Producer.create(memory, { format: 2, blockSize: BLOCK, onFull, clock: stillClock })
  device = new MeteredDevice(memory, LIMITS)
  disk = await Disk.open(device)
}

beforeEach(() => makeRing('wait'))

/** Appends items of one byte, each a batch of its own. */
async function append(...bytes: readonly number[]): Promise<void> {
  await using producer = await attachProducer(device, options)
  for (const byte of bytes) {
    expect((await producer.append([Uint8Array.of(byte)])).status).toBe('ok')
  }
}

async function wipe(lsn: number): Promise<void> {
  await device.writeZeroes(disk.offsetOf(lsn) / BLOCK, 1)
}

/** Writes a producer slot that counts. */
async function forge(change: (slot: ProducerSlot) => ProducerSlot): Promise<void> {
  const { slot, which } = newestProducer((await disk.readSlots()).producer, 'test')
  await disk.writeProducerSlot(which, { ...change(slot), generation: slot.generation + 1 })
}

async function all(consumer: Consumer): Promise<number[]> {
  const popped = await consumer.fold<number[]>((items, item) => [...items, item[0] ?? -1], [])
  return popped.accumulator
}

test('damage is skipped where epochs were merged', async () => {
  // More epochs than the slot holds, after the one that the consumer has seen.
  await using consumer = await Consumer.attach(device, options)
  for (let epoch = 0; epoch < 14; epoch++) await append(epoch)
  await wipe(8)
  const taken: number[] = []
  let from = consumer.position
  const damages: Position[] = []
  for (let calls = 0; calls < 30; calls++) {
    const popped = await consumer.pop(from).catch(({ details }) => {
      damages.push(parsePosition(details.position))
      return undefined
    })
    if (popped?.status === 'retry') break
    if (popped !== undefined) taken.push(popped.item[0] ?? -1)
    const next = popped?.position ?? (damages.at(-1) as Position)
    expect(next).toBeGreaterThan(from)
    from = next
    await consumer.advance(from)
  }
  expect(taken).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13])
  expect(damages).toHaveLength(1)
})

test('an inspection ends where several markers are damaged in an epoch that the consumer has not seen', async () => {
  await append(0)
  await using producer = await attachProducer(device, options)
  for (const byte of [1, 2, 3]) {
    const pushed = await producer.push(Uint8Array.of(byte))
    if (pushed.status !== 'ok') throw new Error(pushed.status)
    await producer.advance(pushed.position)
  }
  await producer.close()
  // The markers of the first two, which have no items.
  await wipe(2)
  await wipe(4)
  const { items } = await inspectRing(device)
  expect((await collect(items())).map(({ item }) => item[0])).toEqual([0, 1, 2, 3])
})

describe('a producer slot whose checksum holds is refused', () => {
  const later = (logPosition: LogPosition): LogPosition => ({
    ...logPosition,
    lsn: logPosition.lsn + 1,
    seq: logPosition.seq + 2 ** 36,
  })
  test.each<[string, (slot: ProducerSlot) => Partial<ProducerSlot>]>([
    ['a head behind what is committed', ({ committed }) => ({ truncatedTo: later(committed) })],
    [
      'an epoch that begins behind what is committed',
      ({ epochs, committed }) => ({
        epochs: [...epochs, { epoch: 99, start: later(committed), span: 0 }],
      }),
    ],
    ['epochs that are not in order', ({ epochs }) => ({ epochs: [...epochs, ...epochs] })],
    [
      'a count that is hardly exact',
      ({ committed }) => ({ committed: { ...committed, lsn: 2 ** 52 } }),
    ],
  ])('with %s', async (_, change) => {
    await append(1, 2, 3)
    const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
    const block = new Uint8Array(BLOCK)
    const { uuid } = disk.ring
    encodeProducerSlot(block, 0, uuid, slot)
    expect(isBad(parseProducerSlot(block, 0, uuid, disk.layout))).toBe(false)
    encodeProducerSlot(block, 0, uuid, { ...slot, ...change(slot) })
    expect(isBad(parseProducerSlot(block, 0, uuid, disk.layout))).toBe(true)
  })
})

test.each([
  ['commits what is behind it', { committedTo: 4 }],
  ['has an epoch that is no number', { epoch: 2 ** 53 }],
])('a batch that %s is refused', (_, change) => {
  const block = new Uint8Array(BLOCK)
  const start = { lsn: 7, seq: 2, bytes: 0, crc: 0 }
  const fields = { start, epoch: 1, committedTo: 3, time: 0 }
  encodeBatch(block, [new Uint8Array(3)], fields, 5)
  expect(parseHeader(block, 7, 5, disk.layout)).toBeDefined()
  encodeBatch(block, [new Uint8Array(3)], { ...fields, ...change }, 5)
  expect(parseHeader(block, 7, 5, disk.layout)).toBeUndefined()
})

test('a cursor that counts more items than were given up behind it is damage', async () => {
  await makeRing('overwrite')
  await append(...Array(60).keys())
  const { slot, which } = newestConsumer((await disk.readSlots()).consumer, 'test')
  const { logPosition } = slot.cursor
  const cursor = { ...slot.cursor, logPosition: { ...logPosition, seq: logPosition.seq + 30 } }
  await disk.writeConsumerSlot(which, { ...slot, cursor, generation: 9, seen: 99 })
  const popped = Consumer.attach(device, options).then((consumer) => consumer.popMany())
  await expect(popped).rejects.toMatchObject({ code: 'RING_CORRUPT' })
})

test('giving up the oldest items ends, however long the log seems to be', async () => {
  await makeRing('overwrite')
  await append(1, 2, 3)
  const far = (logPosition: LogPosition): LogPosition => ({ ...logPosition, lsn: 2 ** 50 })
  await forge((slot) => ({ ...slot, committed: far(slot.committed) }))
  await using producer = await attachProducer(device, options)
  const results = await Promise.all(
    Array.from({ length: 40 }, (_, byte) => producer.append([Uint8Array.of(byte)])),
  )
  expect(new Set(results.map(({ status }) => status))).toEqual(new Set(['ok']))
  await using consumer = await Consumer.attach(device, { ...options, onDamage: 'skip' })
  expect((await all(consumer)).at(-1)).toBe(39)
})
