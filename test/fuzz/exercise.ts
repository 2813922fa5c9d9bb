import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { isBlockError, isRingError } from '../../src/errors.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { parsePosition } from '../../src/ring/shared/position-text.ts'
import type { PoppedItem } from '../../src/ring/types.ts'
import type { Random } from '../../src/sim/world/random.ts'
import { numberOf } from './bases.ts'
import type { Image } from './damage.ts'
import { MOST_GROWN } from './grown.ts'
import { KEYS, MeteredDevice, noUsage, type Usage } from './meter.ts'
import { stillClock } from './still-clock.ts'

/** What one image may cost: several times what any was seen to. */
export const LIMITS: Usage = {
  requests: 20_000,
  moved: 64 << 20,
  allocated: 64 << 20,
  largest: 1 << 20,
  grown: MOST_GROWN,
}
/** No ring of these sizes has so many items. */
const MAX_ITEMS = 10_000

/** What steps may come to if nothing is damaged. */
const SOUND = ['ok', 'retry', 'suspended', 'RING_NO_ROOM']

/** What came of an image. */
export interface Outcome {
  /** What each step came to: `ok`, what it answered, or the code of its error. */
  readonly steps: readonly string[]
  /** Items that were delivered. */
  readonly delivered: number
  readonly usage: Usage
}

/** What may not be, and was. */
export class Violation extends Error {
  override readonly name = 'Violation'
}

/**
 * Does all that can be done with a ring to an image. Damage may be answered with an error of the package's own, and
 * with fewer items; nothing else may come of it.
 * @throws {Violation}
 */
export async function exercise(image: Image, random: Random): Promise<Outcome> {
  return new Exercise(image, random).run()
}

class Exercise {
  readonly #image: Image
  readonly #random: Random
  readonly #steps: string[] = []
  readonly #added = new Map<number, Uint8Array>()
  /** The last item whose append was acknowledged. */
  #last: Position | undefined
  #delivered = 0

  constructor(image: Image, random: Random) {
    this.#image = image
    this.#random = random
  }

  async run(): Promise<Outcome> {
    const { sectorSize } = this.#image.base.shape
    const memory = await MemoryBlockDevice.from(this.#image.bytes, { sectorSize })
    const device = new MeteredDevice(memory, LIMITS)
    try {
      await this.#step('inspect', () => this.#inspect(device))
      const early = this.#random.chance(0.5)
      if (early) await this.#step('consume', () => this.#consume(device, 'stop'))
      await this.#step('produce', () => this.#produce(device))
      await this.#step('consume', () => this.#consume(device, early ? 'skip' : 'stop'))
      if (device.excess !== undefined)
        throw new Violation(`too much was asked: ${device.excess.message}`)
    } catch (error) {
      if (error instanceof Violation) throw error
      throw new Violation(`${this.#steps.at(-1)}: ${String(error)}`, { cause: error })
    }
    return { steps: this.#steps, delivered: this.#delivered, usage: device.usage }
  }

  /** Errors of the package's own are an answer. */
  async #step(name: string, operation: () => Promise<string>): Promise<void> {
    this.#steps.push(name)
    let answer: string
    try {
      answer = await operation()
    } catch (error) {
      if (!isRingError(error) && !isBlockError(error)) throw error
      answer = error.code
    }
    if (this.#image.damage.length === 0 && !SOUND.includes(answer)) {
      throw new Violation(`${name} of a sound ring: ${answer}`)
    }
    this.#steps[this.#steps.length - 1] = `${name} ${answer}`
  }

  async #inspect(device: MeteredDevice): Promise<string> {
    const inspection = await inspectRing(device)
    const { damage, base } = this.#image
    const check = this.#checker()
    const items: Uint8Array[] = []
    for await (const popped of inspection.items()) {
      check(popped)
      items.push(popped.item)
    }
    // A ring that overwrites may have lost the first ones.
    const wanted = base.shape.onFull === 'wait' ? base.waiting : base.waiting.slice(-items.length)
    if (damage.length === 0 && !sameItems(items, wanted)) {
      throw new Violation(`a sound ring of ${base.waiting.length} items has ${items.length}`)
    }
    return 'ok'
  }

  async #produce(device: MeteredDevice): Promise<string> {
    const options = { clock: stillClock, refreshIntervalMs: 0 }
    const attached = await Producer.attach(device, options)
    if (attached.status === 'suspended') return 'suspended'
    const { producer } = attached
    try {
      await producer.debugInfo()
      const items = [0, 10, 300].map((length) => this.#item(length))
      const appended = await producer.append(items)
      if (appended.status !== 'ok') return appended.status
      this.#note(items, appended.positions)
      const pushed = await producer.pushMany(items)
      if (pushed.status !== 'ok') return pushed.status
      const part = pushed.positions.slice(0, 1)
      await producer.advance(part[0] as Position)
      this.#note(items, part)
      return 'ok'
    } finally {
      await producer.close()
    }
  }

  #item(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#random.below(256))
  }

  #note(items: readonly Uint8Array[], positions: readonly Position[]): void {
    positions.forEach((position, index) => {
      this.#added.set(numberOf(position), items[index] as Uint8Array)
      this.#last = position
    })
  }

  /** Takes all items, acknowledging some on the way. */
  async #consume(device: MeteredDevice, onDamage: 'stop' | 'skip'): Promise<string> {
    const options = { clock: stillClock, refreshIntervalMs: 0, onDamage }
    const consumer = await Consumer.attach(device, options)
    const check = this.#checker()
    try {
      await consumer.debugInfo()
      let from = consumer.position
      let damaged = false
      for (let calls = 0; ; calls++) {
        if (calls > MAX_ITEMS) throw new Violation('popping does not end')
        const popped = await this.#pop(consumer, from)
        if (popped === 'nothing') break
        if ('damage' in popped) {
          damaged = true
          if (popped.damage <= from) throw new Violation(`damage at ${from} is not skipped`)
          from = popped.damage
        } else {
          for (const each of popped.items) check(each)
          from = popped.items.at(-1)?.position ?? from
        }
        if (this.#random.chance(0.5)) await consumer.advance(from)
      }
      await consumer.advance(from)
      this.#checkLast(from)
      return damaged ? 'RING_DAMAGED' : 'ok'
    } finally {
      await consumer.close()
    }
  }

  /** Pops some items. Damage says where to go on. */
  async #pop(
    consumer: Consumer,
    from: Position,
  ): Promise<'nothing' | { items: readonly PoppedItem[] } | { damage: Position }> {
    try {
      const maxItems = this.#random.pick([1, 3, 1000])
      const items = await consumer.popMany({ from, maxItems })
      return items.length === 0 ? 'nothing' : { items }
    } catch (error) {
      if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
      return { damage: parsePosition(error.details.position) }
    }
  }

  /** What was acknowledged now, after the damage, has to come out of the ring. */
  #checkLast(end: Position): void {
    if (this.#last === undefined || this.#image.sealed) return
    if (end < this.#last) throw new Violation(`the ring ends at ${end}, not at ${this.#last}`)
  }

  /** Checks the items of one reader: their bytes, and their order. */
  #checker(): (popped: PoppedItem) => void {
    const { base, sealed } = this.#image
    let last: Position | undefined
    let count = 0
    return ({ item, position }) => {
      if (last !== undefined && position <= last) {
        throw new Violation(`position ${position} came after ${last}`)
      }
      if (++count > MAX_ITEMS) throw new Violation('items do not end')
      last = position
      this.#delivered++
      // Format 1 has no checksums: what is damaged is delivered.
      if (sealed || base.shape.format === 1) return
      const number = numberOf(position)
      const pushed = [...(base.history.get(number) ?? []), this.#added.get(number)]
      if (!pushed.some((one) => one !== undefined && Buffer.compare(one, item) === 0)) {
        throw new Violation(`item ${number}, which ends at ${position}, was never pushed`)
      }
    }
  }
}

function sameItems(left: readonly Uint8Array[], right: readonly Uint8Array[]): boolean {
  const same = (item: Uint8Array, index: number): boolean =>
    Buffer.compare(item, right[index] ?? new Uint8Array()) === 0
  return left.length === right.length && left.every(same)
}

/** Adds up what images cost: the most of each. */
export function mostOf(usages: readonly Usage[]): Usage {
  const most = noUsage()
  for (const usage of usages) {
    for (const key of KEYS) most[key] = Math.max(most[key], usage[key])
  }
  return most
}
