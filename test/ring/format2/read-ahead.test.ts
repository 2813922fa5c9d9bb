import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../../src/block/wrap/forward.ts'
import { BlockError } from '../../../src/errors.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { HookedDevice } from '../../helpers/hooked.ts'

const BATCHES = 200
const MIB = 1 << 20

/** A ring where batches wait, each with its number. */
function filled(batches = BATCHES, itemBytes = 20_000): Promise<HookedDevice> {
  return filledWith(Array.from({ length: batches }, () => itemBytes))
}

/** A ring where batches of one item wait, of so many bytes each. */
async function filledWith(itemBytes: readonly number[]): Promise<HookedDevice> {
  const sizeSectors = itemBytes.reduce((sum, bytes) => sum + 8 + Math.ceil(bytes / 512), 1024)
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors, sectorSize: 512 }))
  await Producer.create(device, { format: 2 })
  const attached = await Producer.attach(device)
  if (attached.status !== 'attached') throw new Error(attached.status)
  for (const [batch, bytes] of itemBytes.entries()) {
    await attached.producer.append([new Uint8Array(bytes).fill(batch)])
  }
  await attached.producer.close()
  return device
}

/** Pops all, one after the other. `state.waits` is false while nothing that was called is under way. */
async function drain(device: HookedDevice, state: { waits: boolean }): Promise<readonly number[]> {
  await using consumer = await Consumer.attach(device)
  const found: number[] = []
  for (let from = consumer.position; ; ) {
    const popped = await consumer.pop(from)
    if (popped.status !== 'item') return found
    found.push(popped.item[0] ?? -1)
    from = popped.position
    state.waits = false
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    state.waits = true
  }
}

const ALL = Array.from({ length: BATCHES }, (_, batch) => batch)

test('the device reads the next items while the program uses the last ones', async () => {
  const device = await filled()
  const state = { waits: true }
  let ahead = 0
  device.before = async () => {
    await nextTurn()
    if (!state.waits) ahead++
  }
  expect(await drain(device, state)).toEqual(ALL)
  expect(ahead).toBeGreaterThan(2)
})

test('a read that nobody waited for may fail: it is done again when it is wanted', async () => {
  const device = await filled()
  const state = { waits: true }
  let failed = 0
  device.before = async () => {
    await nextTurn()
    if (state.waits) return
    failed++
    throw new BlockError('BLOCK_IO', 'a bad sector', { device: device.name })
  }
  expect(await drain(device, state)).toEqual(ALL)
  expect(failed).toBeGreaterThan(2)
})

/** Knows whether two reads at the same time go to the same memory. */
class SharedMemoryDevice extends ForwardingBlockDevice {
  shared = 0
  readonly #inUse: Uint8Array[] = []

  override async read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    const overlaps = (one: Uint8Array, other: Uint8Array): boolean =>
      one.buffer === other.buffer &&
      one.byteOffset < other.byteOffset + other.length &&
      other.byteOffset < one.byteOffset + one.length
    this.shared += buffers.filter((one) => this.#inUse.some((other) => overlaps(one, other))).length
    this.#inUse.push(...buffers)
    await super.read(sectorStart, buffers)
    for (const buffer of buffers) this.#inUse.splice(this.#inUse.indexOf(buffer), 1)
  }
}

test('memory into which a read may still write is not used for what is read meanwhile', async () => {
  // More than a consumer keeps: the oldest have to be read again.
  const batches = 1000
  const hooked = await filled(batches)
  const device = new SharedMemoryDevice(hooked)
  await using consumer = await Consumer.attach(device, { refreshIntervalMs: 1e9 })
  const start = consumer.position
  let isWaiting = false
  const arriving: (() => void)[] = []
  hooked.before = async ({ bytes }) => {
    await nextTurn()
    // Not slots, which are read and written when all is idle.
    if (isWaiting || bytes < 100_000) return
    await new Promise<void>((resolve) => arriving.push(resolve))
  }
  const pop = async (from: Position): Promise<{ first: number; position: Position }> => {
    isWaiting = true
    const popped = await consumer.pop(from)
    isWaiting = false
    if (popped.status !== 'item') throw new Error(popped.status)
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    return { first: popped.item[0] ?? -1, position: popped.position }
  }
  let at = start
  for (let batch = 0; batch < batches && (batch < 700 || arriving.length === 0); batch++) {
    if (batch < 700) for (const arrive of arriving.splice(0)) arrive()
    at = (await pop(at)).position
  }
  expect(arriving.length).toBe(1)
  at = start
  for (let batch = 0; batch < 200; batch++) {
    const popped = await pop(at)
    expect(popped.first).toBe(batch)
    at = popped.position
    // Those that come now do not wait for the one that is late.
    for (const arrive of arriving.splice(1)) arrive()
  }
  for (const arrive of arriving) arrive()
  expect(device.shared).toBe(0)
})

test.each([
  { what: 'many small batches', batches: 1000, itemBytes: 20_000, maxItems: 5, reads: 15 },
  // As many of them as it keeps until they are acknowledged.
  { what: 'eight large ones at a time', batches: 64, itemBytes: 900_000, maxItems: 8, reads: 50 },
])(
  'a consumer that acknowledges what it has read uses the same memory again: $what',
  async (how) => {
    const device = await filled(how.batches, how.itemBytes)
    let allocated = 0
    const { allocate } = device
    device.allocate = (bytes) => {
      if (bytes > 100_000) allocated++
      return allocate.call(device, bytes)
    }
    await using consumer = await Consumer.attach(device)
    let read = 0
    device.before = ({ operation, bytes }) => {
      if (operation === 'read' && bytes > 100_000) read++
    }
    for (;;) {
      const popped = await consumer.popMany({ maxItems: how.maxItems, maxBytes: 8 << 20 })
      const last = popped.at(-1)
      if (last === undefined) break
      await consumer.advance(last.position)
    }
    expect(read).toBeGreaterThan(how.reads)
    expect(allocated).toBeLessThan(20)
  },
)

test.each([
  ['small', () => 3000],
  ['not as long as a window', () => 900_000],
  ['of a window', () => 1 << 20],
  ['longer and longer', (batch: number) => 30_000 * batch],
  ['shorter and shorter', (batch: number) => 1_500_000 - 30_000 * batch],
  ['now short, now long', (batch: number) => (batch % 5 === 0 ? 1_400_000 : 400_000)],
])('what was read ahead is not read again: batches %s', async (_, bytesOf) => {
  const lengths = Array.from({ length: 40 }, (_, batch) => bytesOf(batch))
  const device = await filledWith(lengths)
  let read = 0
  await using consumer = await Consumer.attach(device)
  device.before = ({ operation, bytes }) => {
    if (operation === 'read') read += bytes
  }
  let from = consumer.position
  for (const length of lengths) {
    const popped = await consumer.pop(from)
    if (popped.status !== 'item') throw new Error(popped.status)
    expect(popped.item.length).toBe(length)
    from = popped.position
  }
  const all = lengths.reduce((sum, bytes) => sum + bytes, 0)
  // Blocks are a little more than their items, and a window may reach beyond the last one.
  expect(read).toBeLessThan(1.05 * all + 2 * MIB)
})

test.each([100_000, 3_000_000])(
  'a consumer that takes each item of %i bytes as it comes reads little after it',
  async (itemBytes) => {
    const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 100_000 }))
    await Producer.create(device, { format: 2 })
    const attached = await Producer.attach(device)
    if (attached.status !== 'attached') throw new Error(attached.status)
    await using consumer = await Consumer.attach(device, { refreshIntervalMs: 1e9 })
    let read = 0
    device.before = ({ operation, bytes }) => {
      if (operation === 'read') read += bytes
    }
    const items = 10
    for (let count = 0; count < items; count++) {
      await attached.producer.append([new Uint8Array(itemBytes)])
      const popped = await consumer.popMany()
      expect(popped.length).toBe(1)
      await consumer.advance(popped[0]?.position ?? consumer.position)
    }
    await attached.producer.close()
    expect(read).toBeLessThan(items * (itemBytes + 50_000))
  },
)

test.each([
  ['backwards', (step: number) => 600 - step],
  ['here and there', (step: number, batches: number) => (step * 1009) % batches],
])(
  'a consumer that pops unacknowledged items again, %s, reads no more than those',
  async (_, at) => {
    // More than a consumer keeps.
    const [batches, itemBytes, steps] = [3000, 4000, 500]
    const device = await filled(batches, itemBytes)
    await using consumer = await Consumer.attach(device, { refreshIntervalMs: 1e9 })
    const places = [consumer.position]
    for (let batch = 0; batch < batches; batch++) {
      const popped = await consumer.pop(places[batch])
      if (popped.status !== 'item') throw new Error(popped.status)
      places.push(popped.position)
    }
    let read = 0
    device.before = ({ operation, bytes }) => {
      if (operation === 'read') read += bytes
    }
    for (let step = 0; step < steps; step++) {
      const batch = at(step, batches)
      const popped = await consumer.pop(places[batch])
      expect(popped.status === 'item' && popped.item[0]).toBe(batch % 256)
    }
    expect(read).toBeLessThan(steps * 5 * itemBytes)
  },
)
