import { expect, test } from 'vitest'
import type { Position } from '../../src/position.ts'
import { fromPosition, toPosition } from '../../src/ring/format2/position.ts'
import { Deliveries, type Delivery } from '../../src/ring/queue/deliveries.ts'
import { fc } from '../helpers/property.ts'

const START = toPosition(1, 0)

/** A ring with a reader, and what each did, written down item by item. */
class Model {
  readonly deliveries = new Deliveries(START)
  /** Positions of the items that are in the ring. */
  ring: Position[] = []
  readonly entries: Delivery[] = []
  /** What was acknowledged, item by item. */
  readonly finished = new Set<Position>()
  #epoch = 1
  #next = 1
  #cursor: Position = START
  #advancedTo: Position = START

  push(count: number): void {
    for (let n = 0; n < count; n++) this.ring.push(toPosition(this.#epoch, this.#next++))
  }

  receive(count: number): void {
    this.deliveries.cut((position) => this.#isLost(position))
    for (let n = 0; n < count; n++) {
      const position = this.ring.find((one) => one > this.#cursor)
      if (position === undefined) return
      const from = this.#cursor
      this.#cursor = position
      const { advancedTo } = this.deliveries
      if (position <= advancedTo || this.deliveries.passFinished(position)) {
        expect(this.finished).toContain(position)
        continue
      }
      expect(this.finished).not.toContain(position)
      this.entries.push(this.deliveries.deliver(position, from))
    }
  }

  /** Acknowledges an entry, and writes how far that lets the ring advance; the device may refuse it. */
  ack(which: number, refused: boolean): void {
    const entry = this.entries[which % this.entries.length]
    if (entry === undefined) return
    const wasFinished = this.finished.has(entry.position)
    this.finished.add(entry.position)
    if (!this.deliveries.finish(entry)) return
    this.deliveries.wait(entry)
    if (this.#write(refused)) this.deliveries.confirm(entry)
    else if (!wasFinished) this.finished.delete(entry.position)
  }

  /** Acknowledges some entries together, as `ackAll`: if the write is refused, those after a gap stay acknowledged. */
  ackAll(which: number, count: number, refused: boolean): void {
    const some = Array.from({ length: count }, (_, n) => this.entries[(which + 7 * n) % 41])
    const entries = some.filter((entry) => entry !== undefined)
    const before = new Set(this.finished)
    for (const { position } of entries) this.finished.add(position)
    for (const entry of entries) this.deliveries.finish(entry)
    const leading = entries.filter((entry) => this.deliveries.finish(entry))
    if (leading.length === 0) return
    for (const entry of leading) this.deliveries.wait(entry)
    if (this.#write(refused)) {
      for (const entry of leading) this.deliveries.confirm(entry)
      return
    }
    for (const { position } of leading) if (!before.has(position)) this.finished.delete(position)
  }

  /** Writes what no call waits for, as `flush({ waitForEarlier: false })`. */
  flushPrefix(refused: boolean): void {
    if (this.deliveries.hasUnwritten) this.#write(refused)
  }

  ackThrough(which: number): void {
    const entry = this.entries[which % this.entries.length]
    if (entry === undefined || entry.position > this.#cursor) return
    for (const one of this.entries)
      if (one.position <= entry.position) this.finished.add(one.position)
    this.deliveries.finishThrough(entry.position)
    this.#write(false)
  }

  goBack(which: number, all: boolean): void {
    const { finishedTo } = this.deliveries
    const entry = this.entries[which % (this.entries.length + 1)]
    const to = entry === undefined || entry.position < finishedTo ? finishedTo : entry.position
    this.#cursor = to
    this.deliveries.goTo(to, all)
    if (!all) return
    for (const one of this.entries) if (one.position > to) this.finished.delete(one.position)
  }

  /** The oldest items are overwritten. */
  overwrite(count: number): void {
    this.ring.splice(0, count)
  }

  /** An item is damaged, and the reader skips it. */
  damage(which: number): void {
    this.receive(0)
    const [position] = this.ring.splice(which % (this.ring.length + 1), 1)
    if (position === undefined || position !== this.ring.find((one) => one > this.#cursor)) return
    this.#cursor = position
    this.deliveries.skip(position)
  }

  /** The last items go with a cache; an epoch begins that counts from there again. */
  lose(count: number): void {
    const kept = this.ring.slice(0, Math.max(0, this.ring.length - count))
    const lost = this.ring.slice(kept.length)
    this.#epoch++
    if (lost[0] !== undefined) this.#next = fromPosition(lost[0]).seq
    this.#starts.push({ epoch: this.#epoch, seq: this.#next - 1 })
    this.ring = kept
  }

  check(): void {
    const { deliveries } = this
    const { finishedTo, size, oldest } = deliveries
    for (const position of this.ring) {
      if (position > finishedTo) continue
      expect(this.finished, `nothing unfinished before ${finishedTo}`).toContain(position)
    }
    expect(size).toBeGreaterThanOrEqual(oldest === undefined ? 0 : 1)
    if (oldest !== undefined) {
      expect(this.finished).not.toContain(oldest.position)
      expect(oldest.position).toBeGreaterThan(finishedTo)
    }
    expect(deliveries.finished).toBeLessThanOrEqual(size)
    if (this.#advancedTo > START) expect(finishedTo).toBeGreaterThanOrEqual(this.#advancedTo)
  }

  readonly #starts: { readonly epoch: number; readonly seq: number }[] = []

  #isLost(position: Position): boolean {
    const { epoch, seq } = fromPosition(position)
    return this.#starts.some((start) => start.epoch > epoch && start.seq < seq)
  }

  #write(refused: boolean): boolean {
    const to = this.deliveries.finishedTo
    if (refused) {
      this.deliveries.revert(to)
      return false
    }
    this.deliveries.forgetThrough(to)
    this.ring = this.ring.filter((position) => position > to)
    if (to > this.#advancedTo) this.#advancedTo = to
    return true
  }
}

const number = fc.nat(40)
const step = fc.oneof(
  { weight: 4, arbitrary: number.map((n) => (model: Model) => model.push(1 + (n % 5))) },
  { weight: 6, arbitrary: number.map((n) => (model: Model) => model.receive(1 + (n % 6))) },
  {
    weight: 8,
    arbitrary: fc.tuple(number, fc.nat(6)).map(([n, luck]) => (model: Model) => {
      model.ack(n, luck === 0)
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(number, fc.nat(5), fc.nat(4)).map(([n, count, luck]) => (model: Model) => {
      model.ackAll(n, count, luck === 0)
    }),
  },
  {
    weight: 1,
    arbitrary: fc.nat(3).map((luck) => (model: Model) => model.flushPrefix(luck === 0)),
  },
  { weight: 1, arbitrary: number.map((n) => (model: Model) => model.ackThrough(n)) },
  {
    weight: 2,
    arbitrary: fc.tuple(number, fc.nat(3)).map(([n, luck]) => (model: Model) => {
      model.goBack(n, luck === 0)
    }),
  },
  { weight: 1, arbitrary: number.map((n) => (model: Model) => model.overwrite(n % 4)) },
  { weight: 1, arbitrary: number.map((n) => (model: Model) => model.damage(n)) },
  { weight: 1, arbitrary: number.map((n) => (model: Model) => model.lose(n % 4)) },
)

test('nothing unfinished is passed, and nothing finished comes again, whatever happens', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120 }), (steps) => {
      const model = new Model()
      for (const run of steps) {
        run(model)
        model.check()
      }
      // All that is acknowledged in the end has left the ring, and nothing is held any more.
      for (let at = 0; at < model.entries.length; at++) model.ack(at, false)
      model.goBack(0, false)
      for (const before = model.ring.length; model.ring.length > 0; ) {
        model.receive(before)
        for (let at = 0; at < model.entries.length; at++) model.ack(at, false)
      }
      expect(model.deliveries.size).toBe(0)
    }),
  )
})

test('an entry that is kept keeps no other', () => {
  const deliveries = new Deliveries(START)
  const all = Array.from({ length: 10 }, (_, n) => deliveries.deliver(toPosition(1, n + 1), START))
  for (const one of all) deliveries.finish(one)
  deliveries.forgetThrough(deliveries.finishedTo)
  for (const { before, after } of all) expect([before, after]).toEqual([undefined, undefined])
  expect(deliveries.finish(all[3] as Delivery)).toBe(false)
})
