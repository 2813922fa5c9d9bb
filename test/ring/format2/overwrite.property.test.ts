import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Codec } from '../../../src/codec/codec.ts'
import type { RingError } from '../../../src/errors.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { isBad } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import type { PoppedItem } from '../../../src/ring/types.ts'
import { collect } from '../../helpers/collect.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes } from '../../helpers/golden.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { fc, runs } from '../../helpers/property.ts'
import { attachProducer } from '../../helpers/ring.ts'

/** Blocks of the data area: each holds one of the items below. */
const BLOCKS = 32

async function ring(blocks = BLOCKS): Promise<MemoryBlockDevice> {
  const sizeSectors = (12_288 + 9 * 4096 + blocks * 512) / 512
  const device = new MemoryBlockDevice({ sizeSectors })
  await Producer.create(device, { format: 2, blockSize: 512, onFull: 'overwrite' })
  return device
}

/** Where both slots of the producer are, in bytes. */
const PRODUCER_SLOTS = [20_480, 28_672] as const

/** The item of a number; one fills most of a block. */
function itemOf(number: number, bytes = 300): Uint8Array {
  const item = Buffer.alloc(bytes)
  item.writeUInt32LE(number)
  return item
}

function numberOf({ item }: { readonly item: Uint8Array }): number {
  return Buffer.from(item).readUInt32LE()
}

/** What the items say that was missed before each agrees with their numbers. */
function checkMissed(popped: readonly PoppedItem[], next: number): number {
  for (const entry of popped) {
    expect(numberOf(entry)).toBe(next + (entry.missed ?? 0))
    next = numberOf(entry) + 1
  }
  return next
}

describe('a ring that overwrites its oldest items', () => {
  test('never refuses, and says exactly how many were missed', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    for (let number = 0; number < 100; number++) {
      expect(await producer.append([itemOf(number)])).toMatchObject({ status: 'ok' })
    }
    const { waitingItems, waitingBytes, stats, items } = await inspectRing(device)
    const consumer = await Consumer.attach(device)
    const popped = await consumer.popMany()
    expect(popped.length).toBeGreaterThanOrEqual(BLOCKS - 2)
    expect(popped[0]?.missed).toBe(100 - popped.length)
    expect(checkMissed(popped, 0)).toBe(100)
    expect({ waitingItems, waitingBytes }).toEqual({
      waitingItems: popped.length,
      waitingBytes: popped.length * 300,
    })
    expect(stats).toMatchObject({
      committedItems: 100,
      acknowledgedItems: 0,
      commits: 100,
      fullPushes: 0,
    })
    expect(stats?.missedItems).toBe(100 - popped.length)
    expect(await collect(items())).toEqual(popped)
    await consumer.advance(popped.at(-1)?.position as Position)
    const after = await inspectRing(device)
    expect(after).toMatchObject({ waitingItems: 0, waitingBytes: 0 })
    expect(after.stats?.missedItems).toBe(100 - popped.length)
  })

  test('what was popped before it was overwritten is not missed', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    for (let number = 0; number < 10; number++) await producer.append([itemOf(number)])
    const first = await consumer.popMany()
    expect(first).toHaveLength(10)
    for (let number = 10; number < 200; number++) await producer.append([itemOf(number)])
    const [next] = await consumer.popMany({ from: first.at(-1)?.position as Position })
    expect(next && numberOf(next) - (next.missed ?? 0)).toBe(10)
    // Acknowledging what is overwritten is remembered, though there is nothing to acknowledge.
    await consumer.advance(first.at(-1)?.position as Position)
    await consumer.close()
    const again = await Consumer.attach(device)
    const [same] = await again.popMany()
    expect(same).toEqual(next)
    await again.advance(same?.position as Position)
    const { stats } = await inspectRing(device)
    expect(stats?.missedItems).toBe(next?.missed)
  })

  test('tells what was missed also where damage follows it', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    for (let number = 0; number < 100; number++) await producer.append([itemOf(number)])
    const { waitingItems: waiting = 0 } = await inspectRing(device)
    const missed = 100 - waiting
    const first = new Uint8Array(512)
    const sector = (12_288 + 8 * 4096) / 512 + (missed % BLOCKS)
    await device.read(sector, [first])
    first[200] = (first[200] ?? 0) ^ 1
    await device.write(sector, [first])
    const stopping = await Consumer.attach(device)
    const stopped = await stopping.popMany().catch((error: RingError) => error.details)
    expect(stopped).toMatchObject({ items: 1, missed })
    await stopping.close()
    const skipping = await Consumer.attach(device, { onDamage: 'skip' })
    const [popped] = await skipping.popMany()
    expect(popped?.missed).toBe(missed)
    expect(numberOf(popped as PoppedItem)).toBe(missed + 1)
  })

  test('a reader tells with each entry what was missed before it, also if one does not decode', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    let undecodable = -1
    const codec: Codec<number, never> = {
      name: 'numbers',
      encode: () => new Uint8Array(0),
      decode: (bytes) => {
        const number = Buffer.from(bytes).readUInt32LE()
        if (number === undecodable) throw new Error('no')
        return number
      },
    }
    for (let number = 0; number < 100; number++) await producer.append([itemOf(number)])
    const reader = await RingReader.open(device, { codec })
    const first = await reader.receive()
    expect(first.missed).toBe(first.item)
    const second = await reader.receive()
    expect(second).toMatchObject({ item: first.item + 1 })
    expect(second).not.toHaveProperty('missed')
    await reader.close()
    undecodable = first.item
    const next = await RingReader.open(device, { codec })
    await expect(next.receive()).rejects.toMatchObject({ code: 'CODEC_DECODE' })
    expect(await next.receive()).toMatchObject({ item: first.item + 1, missed: first.item })
    await next.close()
  })

  test('a cursor at what is given up does not outlive a power cut that takes back the giving up', async () => {
    const device = await ring()
    const hooked = new HookedDevice(device)
    const producer = await attachProducer(hooked)
    const consumerDevice = new HookedDevice(device, { claims: false })
    const consumer = await Consumer.attach(consumerDevice, { clock: new FakeClock() })
    for (let number = 0; number < BLOCKS; number++) await producer.append([itemOf(number)])
    const popped = await consumer.popMany()
    const before = await deviceBytes(device)
    let cut: MemoryBlockDevice | undefined
    let writes = 0
    hooked.before = async ({ operation }) => {
      // One slot says what is given up, and is only in a cache.
      if (operation !== 'write' || writes++ !== 1) return
      let isStable = false
      consumerDevice.before = (request) => {
        if (request.operation === 'flush') isStable = true
      }
      await consumer.advance((popped[0] as PoppedItem).position)
      const bytes = await deviceBytes(device)
      if (!isStable) bytes.set(before.subarray(...PRODUCER_SLOTS), PRODUCER_SLOTS[0])
      cut = await MemoryBlockDevice.from(bytes)
    }
    await producer.append([itemOf(BLOCKS)])
    const again = await (await Consumer.attach(cut as MemoryBlockDevice)).popMany()
    expect(checkMissed(again, 1)).toBe(BLOCKS)
  })

  test('does not give up uncommitted items', async () => {
    const device = await ring()
    const producer = await attachProducer(device)
    let pushed = 0
    for (; pushed < 2 * BLOCKS; pushed++) {
      const result = await producer.push(itemOf(pushed))
      if (result.status === 'retry') break
    }
    expect(pushed).toBeGreaterThan(BLOCKS / 3)
    expect(pushed).toBeLessThan(BLOCKS)
    await producer.advance(producer.position)
    const consumer = await Consumer.attach(device)
    expect((await consumer.popMany()).map(numberOf)).toEqual([...Array(pushed).keys()])
  })

  test.each([0, 1, 31, 32, 33, 500, 992, 1000])(
    'a large one that is full of uncommitted items, after %i others, gives up committed items only',
    async (committed) => {
      const blocks = 1024
      const device = await ring(blocks)
      const disk = await Disk.open(device)
      await using producer = await attachProducer(device, { refreshIntervalMs: 0 })
      const numbers = (first: number, count: number): Uint8Array[] =>
        Array.from({ length: count }, (_, index) => itemOf(first + index))
      for (let number = 0; number < committed; number++) await producer.append(numbers(number, 1))
      let end = committed
      for (let size = 7; size > 0; ) {
        const result = await producer.pushMany(numbers(end, size))
        if (result.status === 'ok') end += result.pushed
        else size = Math.floor(size / 2)
        const slots = await disk.readSlots()
        for (const slot of slots.producer) {
          if (isBad(slot)) throw new Error(slot.field)
          expect(slot.truncatedTo.lsn).toBeLessThanOrEqual(slot.committed.lsn)
          expect(slot.truncatedTo.seq).toBeLessThanOrEqual(committed)
        }
      }
      // Each of them needs a marker, should it be shown by itself.
      expect(end - committed).toBeGreaterThan(blocks / 3)
      await producer.advance(producer.position)
      await using consumer = await Consumer.attach(device)
      const popped = await consumer.popMany({ maxItems: 10_000, maxBytes: 1 << 24 })
      expect(checkMissed(popped, 0)).toBe(end)
      expect(popped.filter((entry) => numberOf(entry) >= committed)).toHaveLength(end - committed)
    },
  )

  test('says what it gives up, in both slots, before it overwrites it', async () => {
    const device = new HookedDevice(await ring())
    const producer = await attachProducer(device)
    let given = Number.POSITIVE_INFINITY
    device.before = async ({ operation, sector }) => {
      // Data begins at sector 88; the consumer has acknowledged nothing.
      if (operation !== 'write' || sector < 88) return
      const [first] = await collect((await inspectRing(device)).items())
      given = first === undefined ? given : numberOf(first)
    }
    for (let number = 0; number < 100; number++) {
      await producer.append([itemOf(number)])
      if (number > BLOCKS) expect(given).toBeGreaterThan(number - BLOCKS)
    }
    expect(given).toBeLessThan(100)
  })

  test('is refused in format 1', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: 128 })
    const wrong = Producer.create(device, { format: 1, onFull: 'overwrite' })
    await expect(wrong).rejects.toThrow(RangeError)
  })

  test('accounts for every item, whatever is done in between', async () => {
    let missed = 0
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('append' as const),
        sizes: fc.array(fc.integer({ min: 4, max: 1500 }), { minLength: 1, maxLength: 8 }),
      }),
      fc.record({
        kind: fc.constant('push' as const),
        sizes: fc.array(fc.integer({ min: 4, max: 900 }), { minLength: 1, maxLength: 4 }),
      }),
      fc.constantFrom(
        ...(['advance', 'pop', 'acknowledge', 'producer', 'consumer', 'idle'] as const).map(
          (kind) => ({ kind }),
        ),
      ),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120, size: 'max' }), async (steps) => {
        const device = await ring(16)
        const clock = new FakeClock()
        const options = { clock, refreshIntervalMs: 0 }
        let producer = await attachProducer(device, options)
        let consumer = await Consumer.attach(device, options)
        let pushed = 0
        let visible = 0
        let from: Position | undefined
        let next = 0
        let consumed = 0
        for (const { kind, ...what } of steps) {
          if (kind === 'append' || kind === 'push') {
            const items = (what as { sizes: number[] }).sizes.map((size, index) =>
              itemOf(pushed + index, size),
            )
            const call = kind === 'append' ? producer.append(items) : producer.pushMany(items)
            const result = await call
            if (result.status === 'ok') pushed += result.positions.length
            if (result.status === 'ok' && kind === 'append') visible = pushed
          } else if (kind === 'advance') {
            await producer.advance(producer.position)
            visible = pushed
          } else if (kind === 'pop') {
            const popped = await consumer.popMany({ ...(from && { from }), maxItems: 5 })
            for (const entry of popped) missed += entry.missed ?? 0
            next = checkMissed(popped, next)
            from = popped.at(-1)?.position ?? from
            // Uncommitted items may have taken the room of all committed ones.
            if (popped.length === 0 && next < visible) {
              expect((await inspectRing(device)).waitingItems).toBe(0)
            }
          } else if (kind === 'acknowledge') {
            if (from !== undefined) await consumer.advance(from)
            consumed = next
          } else if (kind === 'producer') {
            await producer.close()
            producer = await attachProducer(device, options)
            pushed = visible
          } else if (kind === 'consumer') {
            await consumer.close()
            consumer = await Consumer.attach(device, options)
            from = undefined
            next = consumed
          } else {
            await clock.advance(100)
          }
        }
        await producer.advance(producer.position)
        await producer.append([itemOf(pushed)])
        const { waitingItems } = await inspectRing(device)
        await consumer.close()
        consumer = await Consumer.attach(device, options)
        const rest = await consumer.popMany()
        expect(checkMissed(rest, consumed)).toBe(pushed + 1)
        expect(waitingItems).toBe(rest.length)
        await Promise.all([producer.close(), consumer.close()])
      }),
      { ...runs(35), endOnFailure: true },
    )
    expect(missed).toBeGreaterThan(100)
  })
})
