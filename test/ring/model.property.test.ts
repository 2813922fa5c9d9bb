import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { collect } from '../helpers/collect.ts'
import { hex } from '../helpers/golden.ts'
import { fc, runs } from '../helpers/property.ts'

/** What a ring is, without any of its bytes on a device. */
interface Model {
  readonly capacity: number
  /** Items that wait, and where each ends. */
  visible: { item: string; end: bigint }[]
  /** Items pushed but not visible. */
  pushed: { item: string; end: bigint }[]
  consumer: bigint
  suspend: boolean
  suspendAck: boolean
}

/** The real thing. */
interface Real {
  readonly device: MemoryBlockDevice
  producer: Producer | undefined
  consumer: Consumer
}

type Operation = fc.AsyncCommand<Model, Real>

/** How often it came to what is rare. */
const reached = { wraps: 0, full: 0, suspended: 0 }

const producerEnd = (model: Model): bigint => model.visible.at(-1)?.end ?? model.consumer
const tail = (model: Model): bigint => model.pushed.at(-1)?.end ?? producerEnd(model)
const padded = (length: number): bigint => BigInt(Math.ceil((length + 4) / 4) * 4)

/** How many of the items have room after the tail. */
function fitting(model: Model, items: readonly Uint8Array[]): number {
  let free = BigInt(model.capacity) - (tail(model) - model.consumer)
  const over = items.findIndex((item) => {
    free -= padded(item.length)
    return free < 0n
  })
  return over < 0 ? items.length : over
}

/** What every call of the producer does first. */
function look(model: Model): boolean {
  model.suspendAck = model.suspend
  return model.suspend
}

class Push implements Operation {
  readonly items: Uint8Array[]
  constructor(items: Uint8Array[]) {
    this.items = items
  }
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    if (real.producer === undefined) return
    const tooLarge = this.items.some((item) => item.length > model.capacity - 4)
    if (tooLarge) {
      await expect(real.producer.pushMany(this.items)).rejects.toMatchObject({
        code: 'RING_ITEM_TOO_LARGE',
      })
      return
    }
    const result = await real.producer.pushMany(this.items)
    if (look(model)) return expect(result).toEqual({ status: 'suspended' })
    const count = fitting(model, this.items)
    if (count === 0 && this.items.length > 0) {
      reached.full++
      return expect(result).toEqual({ status: 'retry' })
    }
    const before = model.pushed.length
    for (const item of this.items.slice(0, count)) {
      model.pushed.push({ item: hex(item), end: tail(model) + padded(item.length) })
    }
    const positions = model.pushed.slice(before).map(({ end }) => end)
    const position = positions.at(-1) ?? real.producer.position
    expect(result).toEqual({ status: 'ok', pushed: count, position, positions })
  }
  toString = (): string => `push(${this.items.map((item) => item.length)})`
}

class AdvanceProducer implements Operation {
  readonly pick: number
  constructor(pick: number) {
    this.pick = pick
  }
  check = (model: Model): boolean => model.pushed.length > 0
  async run(model: Model, real: Real): Promise<void> {
    const count = 1 + (this.pick % model.pushed.length)
    const visible = model.pushed.splice(0, count)
    model.visible.push(...visible)
    await real.producer?.advance(visible.at(-1)?.end as Position)
  }
  toString = (): string => `producer.advance(${this.pick})`
}

class Pop implements Operation {
  readonly pick: number
  readonly advance: boolean
  constructor(pick: number, advance: boolean) {
    this.pick = pick
    this.advance = advance
  }
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    const skip = model.visible.length > 0 ? this.pick % model.visible.length : 0
    const from = skip > 0 ? model.visible[skip - 1]?.end : undefined
    const wanted = model.visible[skip]
    const popped = await real.consumer.pop(from as Position | undefined)
    if (wanted === undefined) return expect(popped).toEqual({ status: 'retry' })
    if (popped.status !== 'item') throw new Error('expected an item')
    expect(hex(popped.item)).toBe(wanted.item)
    expect(popped.position).toBe(wanted.end)
    if (!this.advance) return
    await real.consumer.advance(popped.position)
    model.consumer = wanted.end
    model.visible.splice(0, skip + 1)
  }
  toString = (): string => `pop(${this.pick})${this.advance ? ' and advance' : ''}`
}

class PopMany implements Operation {
  readonly maxItems: number
  constructor(maxItems: number) {
    this.maxItems = maxItems
  }
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    const popped = await real.consumer.popMany({ maxItems: this.maxItems })
    // A batch holds what was visible at the consumer's last look, at least one item if there is any.
    expect(popped.length).toBeLessThanOrEqual(this.maxItems)
    expect(popped.length === 0).toBe(model.visible.length === 0)
    expect(popped.map(({ item, position }) => ({ item: hex(item), end: position }))).toEqual(
      model.visible.slice(0, popped.length),
    )
  }
  toString = (): string => `popMany(${this.maxItems})`
}

class Fold implements Operation {
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    const folded = await real.consumer.fold<string[]>((all, item) => [...all, hex(item)], [])
    expect(folded.accumulator).toEqual(model.visible.map(({ item }) => item))
    expect(folded.position).toBe(producerEnd(model))
  }
  toString = (): string => 'fold'
}

class Wish implements Operation {
  readonly suspend: boolean
  constructor(suspend: boolean) {
    this.suspend = suspend
  }
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    const result = await (this.suspend ? real.consumer.suspend() : real.consumer.resume())
    const settled = model.suspend === model.suspendAck
    expect(result).toEqual({ status: settled ? 'ok' : 'retry' })
    if (settled) model.suspend = this.suspend
    expect(await real.consumer.state()).toBe(model.suspendAck ? 'suspended' : 'running')
  }
  toString = (): string => (this.suspend ? 'suspend' : 'resume')
}

class ProducerState implements Operation {
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    if (real.producer === undefined) return
    const suspended = look(model)
    expect(await real.producer.state()).toBe(suspended ? 'suspended' : 'running')
  }
  toString = (): string => 'producer.state'
}

class RestartProducer implements Operation {
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    await real.producer?.close()
    model.pushed = []
    const attached = await Producer.attach(real.device, { refreshIntervalMs: 0 })
    expect(attached.status).toBe(look(model) ? 'suspended' : 'attached')
    real.producer = attached.status === 'attached' ? attached.producer : undefined
  }
  toString = (): string => 'restart the producer'
}

class RestartConsumer implements Operation {
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    await real.consumer.close()
    real.consumer = await Consumer.attach(real.device, { refreshIntervalMs: 0 })
    expect(real.consumer.position).toBe(model.consumer)
  }
  toString = (): string => 'restart the consumer'
}

class Inspect implements Operation {
  check = (): boolean => true
  async run(model: Model, real: Real): Promise<void> {
    const ring = await inspectRing(real.device)
    expect(ring.producer).toMatchObject({
      position: producerEnd(model),
      suspendAck: model.suspendAck,
    })
    expect(ring.consumer).toMatchObject({ position: model.consumer, suspend: model.suspend })
    expect(ring.usedBytes + ring.freeBytes).toBe(model.capacity)
    const items = await collect(ring.items())
    expect(items.map(({ item }) => hex(item))).toEqual(model.visible.map(({ item }) => item))
  }
  toString = (): string => 'inspect'
}

/** Mostly small items, some as large as the ring or larger. */
const item = fc.oneof(
  { weight: 8, arbitrary: fc.uint8Array({ maxLength: 40 }) },
  { weight: 3, arbitrary: fc.uint8Array({ minLength: 100, maxLength: 600 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 500, maxLength: 2100 }) },
)

const operations = fc.commands(
  [
    item.map((one) => new Push([one])),
    item.map((one) => new Push([one])),
    fc.array(item, { maxLength: 6 }).map((items) => new Push(items)),
    fc.nat(8).map((pick) => new AdvanceProducer(pick)),
    fc.nat(8).map((pick) => new AdvanceProducer(pick)),
    fc.nat(3).map((pick) => new Pop(pick, true)),
    fc.nat(3).map((pick) => new Pop(pick, true)),
    fc.nat(5).map((pick) => new Pop(pick, false)),
    fc.integer({ min: 1, max: 9 }).map((max) => new PopMany(max)),
    fc.constant(new Fold()),
    fc.boolean().map((suspend) => new Wish(suspend)),
    fc.constant(new ProducerState()),
    fc.constant(new RestartProducer()),
    fc.constant(new RestartConsumer()),
    fc.constant(new Inspect()),
  ],
  { maxCommands: 120, size: 'max' },
)

test('random operations of both roles do what a model without bytes does', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 4, max: 7 }), operations, async (sizeSectors, commands) => {
      const device = new MemoryBlockDevice({ sizeSectors })
      await Producer.create(device, { format: 1 })
      const attached = await Producer.attach(device, { refreshIntervalMs: 0 })
      if (attached.status !== 'attached') throw new Error('a new ring runs')
      const real: Real = {
        device,
        producer: attached.producer,
        consumer: await Consumer.attach(device, { refreshIntervalMs: 0 }),
      }
      const model: Model = {
        capacity: (sizeSectors - 3) * 512,
        visible: [],
        pushed: [],
        consumer: 0n,
        suspend: false,
        suspendAck: false,
      }
      await fc.asyncModelRun(() => ({ model, real }), commands)
      if (tail(model) > BigInt(model.capacity)) reached.wraps++
      if (model.suspendAck) reached.suspended++
      await device.disconnect()
    }),
    runs(150),
  )
  // The test proves that it went where it was meant to go.
  expect(reached.wraps).toBeGreaterThan(15)
  expect(reached.full).toBeGreaterThan(15)
  expect(reached.suspended).toBeGreaterThan(15)
})
