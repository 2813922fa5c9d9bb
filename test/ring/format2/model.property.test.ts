import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { isRingError } from '../../../src/errors.ts'
import type { Position } from '../../../src/position.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { collect } from '../../helpers/collect.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { hex } from '../../helpers/golden.ts'
import { fc, runs } from '../../helpers/property.ts'

/** An item, and the position after it. */
interface Entry {
  readonly item: string
  readonly end: Position
}

/** A ring and what has to be in it. */
class Rig {
  readonly device: MemoryBlockDevice
  readonly clock = new FakeClock()
  producer: Producer | undefined
  consumer: Consumer | undefined
  visible: Entry[] = []
  held: Entry[] = []
  suspend = false
  suspendAck = false
  readonly reached = { full: 0, suspended: 0, partial: 0, noRoom: 0 }

  constructor(device: MemoryBlockDevice) {
    this.device = device
  }

  get options(): { clock: FakeClock; refreshIntervalMs: number } {
    return { clock: this.clock, refreshIntervalMs: 0 }
  }

  /** What every call of the producer does first. */
  look(): boolean {
    this.suspendAck = this.suspend
    if (this.suspend) this.reached.suspended++
    return this.suspend
  }

  async write(items: readonly Uint8Array[], commit: boolean): Promise<void> {
    const { producer } = this
    if (producer === undefined) return
    const call = (): ReturnType<Producer['append']> =>
      commit ? producer.append(items) : producer.pushMany(items)
    if (items.some((item) => item.length > producer.maxItemBytes)) {
      await expect(call()).rejects.toMatchObject({ code: 'RING_ITEM_TOO_LARGE' })
      return
    }
    let result = await call()
    if (this.look()) return expect(result).toEqual({ status: 'suspended' })
    if (result.status === 'retry') {
      this.reached.full++
      // When the consumer has looked, as one that waits does, and been idle, both of its slots tell what is free: then
      // what fits has room. Until it has heard of an epoch, blocks of items that were dropped there count as used.
      await this.consumer?.state()
      await this.clock.advance(200)
      const { freeBytes } = await inspectRing(this.device)
      result = await call()
      const [first] = items
      const blocks = Math.ceil((88 + (first?.length ?? 0)) / 512) + (commit ? 0 : 1)
      if (this.held.length === 0 && blocks * 512 <= freeBytes) expect(result.status).toBe('ok')
    }
    if (result.status !== 'ok') return
    expect(result.positions.length).toBeGreaterThanOrEqual(Math.min(1, items.length))
    result.positions.forEach((end, index) => {
      this.held.push({ item: hex(items[index] as Uint8Array), end })
    })
    if (commit) this.show(this.held.length)
  }

  show(count: number): void {
    if (count < this.held.length) this.reached.partial++
    this.visible.push(...this.held.splice(0, count))
  }

  async advanceProducer(pick: number): Promise<void> {
    if (this.producer === undefined || this.held.length === 0) return
    const count = 1 + (pick % this.held.length)
    const end = this.held[count - 1]?.end as Position
    try {
      await this.producer.advance(end)
    } catch (error) {
      // A part of one push may find no room, and then nothing happens.
      if (!isRingError(error) || error.code !== 'RING_NO_ROOM') throw error
      this.reached.noRoom++
      return
    }
    this.show(count)
  }

  async pop(pick: number, advance: boolean): Promise<void> {
    const consumer = this.consumer as Consumer
    const skip = this.visible.length > 0 ? pick % this.visible.length : 0
    // Positions ahead of what was popped are known only from popping.
    await consumer.fold(() => undefined, undefined)
    const from = skip > 0 ? this.visible[skip - 1]?.end : undefined
    const popped = await consumer.pop(from)
    const wanted = this.visible[skip]
    if (wanted === undefined) return expect(popped).toEqual({ status: 'retry' })
    if (popped.status !== 'item') throw new Error('expected an item')
    expect({ item: hex(popped.item), end: popped.position }).toEqual(wanted)
    if (!advance) return
    await consumer.advance(popped.position)
    this.visible.splice(0, skip + 1)
  }

  async fold(): Promise<void> {
    const folded = await (this.consumer as Consumer).fold<Entry[]>(
      (all, item, end) => [...all, { item: hex(item), end }],
      [],
    )
    expect(folded.accumulator).toEqual(this.visible)
  }

  async wish(suspend: boolean): Promise<void> {
    const consumer = this.consumer as Consumer
    const result = await (suspend ? consumer.suspend() : consumer.resume())
    const settled = this.suspend === this.suspendAck
    expect(result).toEqual({ status: settled ? 'ok' : 'retry' })
    if (settled) this.suspend = suspend
    expect(await consumer.state()).toBe(this.suspendAck ? 'suspended' : 'running')
  }

  async restartProducer(): Promise<void> {
    await this.producer?.close()
    this.held = []
    const attached = await Producer.attach(this.device, this.options)
    expect(attached.status).toBe(this.look() ? 'suspended' : 'attached')
    this.producer = attached.status === 'attached' ? attached.producer : undefined
  }

  async restartConsumer(): Promise<void> {
    await this.consumer?.close()
    this.consumer = await Consumer.attach(this.device, this.options)
  }

  async inspect(): Promise<void> {
    const state = await inspectRing(this.device)
    expect(state.waitingItems).toBe(this.visible.length)
    const bytes = this.visible.reduce((sum, { item }) => sum + item.length / 2, 0)
    expect(state.waitingBytes).toBe(bytes)
    expect([state.consumer.suspend, state.producer.suspendAck]).toEqual([
      this.suspend,
      this.suspendAck,
    ])
    const items = await collect(state.items())
    expect(items.map(({ item, position }) => ({ item: hex(item), end: position }))).toEqual(
      this.visible,
    )
  }
}

type Operation = (rig: Rig) => Promise<void>

const item = fc.oneof(
  { weight: 6, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.uint8Array({ minLength: 300, maxLength: 1200 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 1500, maxLength: 4000 }) },
)
const items = fc.array(item, { minLength: 1, maxLength: 5 })
const named = (name: string, operation: Operation): Operation =>
  Object.assign(operation, { toString: () => name })

const operation: fc.Arbitrary<Operation> = fc.oneof(
  items.map((list) => named(`append ${list.map((i) => i.length)}`, (rig) => rig.write(list, true))),
  items.map((list) => named(`append ${list.map((i) => i.length)}`, (rig) => rig.write(list, true))),
  items.map((list) => named(`push ${list.map((i) => i.length)}`, (rig) => rig.write(list, false))),
  fc.nat(6).map((pick) => named(`advance ${pick}`, (rig) => rig.advanceProducer(pick))),
  fc.nat(4).map((pick) => named(`pop ${pick}`, (rig) => rig.pop(pick, false))),
  fc.nat(4).map((pick) => named(`take ${pick}`, (rig) => rig.pop(pick, true))),
  fc.nat(4).map((pick) => named(`take ${pick}`, (rig) => rig.pop(pick, true))),
  fc.constant(named('fold', (rig) => rig.fold())),
  fc.boolean().map((wish) => named(`wish ${wish}`, (rig) => rig.wish(wish))),
  fc.constant(named('restart producer', (rig) => rig.restartProducer())),
  fc.constant(named('restart consumer', (rig) => rig.restartConsumer())),
  fc.constant(named('inspect', (rig) => rig.inspect())),
  fc.constant(named('idle', (rig) => rig.clock.advance(100))),
)

test('random operations of both roles do what a model without bytes does', async () => {
  const reached = { full: 0, suspended: 0, partial: 0 }
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 4, max: 12 }),
      fc.array(operation, { maxLength: 100, size: 'max' }),
      async (dataBlocks, operations) => {
        const sizeSectors = (12_288 + 9 * 4096 + Math.ceil(dataBlocks / 8) * 4096) / 512
        const device = new MemoryBlockDevice({ sizeSectors })
        await Producer.create(device, { format: 2, blockSize: 512 })
        const rig = new Rig(device)
        await rig.restartProducer()
        await rig.restartConsumer()
        for (const run of operations) await run(rig)
        await rig.fold()
        await rig.inspect()
        await rig.producer?.close()
        await rig.consumer?.close()
        for (const key of ['full', 'suspended', 'partial'] as const) {
          reached[key] += rig.reached[key]
        }
      },
    ),
    { ...runs(100), endOnFailure: true },
  )
  expect(reached.full).toBeGreaterThan(15)
  expect(reached.suspended).toBeGreaterThan(15)
  expect(reached.partial).toBeGreaterThan(15)
})
