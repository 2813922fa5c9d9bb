import type { RoleProtocol, Turn, View, Write } from '../machine.ts'
import {
  CONSUMER,
  itemOf,
  type Pointer,
  PRODUCER,
  pointerAt,
  type Rules,
  type Slots,
  slotsOf,
  type Unit,
  writeOf,
} from './rules.ts'

/** What the producer knows. */
export interface Producer {
  readonly own: Pointer
  readonly other: Pointer
  readonly tail: number
  /** The consumer's offset that a flush made durable. */
  readonly freed: number
  /** Items that were pushed but are not visible, and where each ends. */
  readonly held: readonly { readonly item: number; readonly end: number }[]
  /** What is before the tail in its sector. */
  readonly half: number
  /** The call under way. */
  readonly call?: string
  /** The item that the call pushes. */
  readonly item?: number
  /** The consumer's offset before the flush under way. */
  readonly seen?: number
  /** What the push still has to write. */
  readonly rest?: Write<Unit>['units']
  /** Up to where the call shows items. */
  readonly end?: number
}

type Result = Turn<Producer, Unit>

/** Forgets what belongs to a call. */
function idle({ own, other, tail, freed, held, half }: Producer): Producer {
  return { own, other, tail, freed, held, half }
}

/** The producer of format 1. */
export class ProducerProtocol implements RoleProtocol<Producer, Unit> {
  readonly #slots: Slots
  readonly #rules: Rules

  constructor(slots: Slots, rules: Rules) {
    this.#slots = slots
    this.#rules = rules
  }

  attach(view: View<Unit>): Result {
    const own = pointerAt(view, PRODUCER)
    const other = pointerAt(view, CONSUMER)
    const tail = own.offset
    const call = 'attach'
    const memory = { own, other, tail, freed: other.offset, held: [], half: 0, call }
    if (!this.#rules.flushAtAttach) return this.resume(memory, 'attached', view)
    return { memory, pending: { kind: 'flush', after: 'attached' } }
  }

  calls({ held }: Producer, left: { readonly push: number; readonly crash: number }): string[] {
    const possible: Readonly<Record<string, boolean>> = {
      push1: left.push > 0,
      push2: left.push > 0,
      append: left.push > 0,
      advance: held.length > 0,
      advanceFirst: held.length > 1,
      state: true,
      detach: left.crash > 0,
    }
    return Object.keys(possible).filter((call) => possible[call])
  }

  call(memory: Producer, call: string, view: View<Unit>, next: number): Result {
    switch (call) {
      case 'detach':
        return { answer: { status: 'ok' } }
      case 'advance':
        return this.#show({ ...memory, call, end: memory.held.at(-1)?.end ?? 0 }, view)
      case 'advanceFirst':
        return this.#show({ ...memory, call, end: memory.held[0]?.end ?? 0 }, view)
      case 'state':
        return this.#grant({ ...memory, call }, view)
      default: {
        const item = itemOf(next, call === 'push2' ? 2 : 1)
        const turn = this.#grant({ ...memory, call, item }, view)
        return turn.pending === undefined ? turn : { ...turn, uses: 1 }
      }
    }
  }

  resume(memory: Producer, after: string, view: View<Unit>): Result {
    switch (after) {
      case 'attached': {
        const { tail } = memory
        const half = tail % 2 === 1 ? this.#slots.read(view, tail - 1) : 0
        return this.#grant({ ...memory, half }, view)
      }
      case 'granted':
        return this.#go({ ...memory, own: { ...memory.own, flag: memory.other.flag } }, view)
      case 'freed':
        return this.#put({ ...memory, freed: memory.seen ?? memory.freed }, view)
      case 'written':
        return this.#putRest(memory)
      case 'pushed':
        return this.#pushed(memory, view)
      default: {
        const offset = memory.end ?? 0
        const held = memory.held.filter(({ end }) => end > offset)
        const own = { ...memory.own, offset }
        return { memory: idle({ ...memory, own, held }), answer: { status: 'ok' } }
      }
    }
  }

  #refresh(memory: Producer, view: View<Unit>): Producer | string {
    const own = pointerAt(view, PRODUCER)
    const other = pointerAt(view, CONSUMER)
    const { own: left } = memory
    if (own.offset !== left.offset || own.flag !== left.flag) return 'another producer wrote'
    return other.offset < memory.other.offset ? 'the consumer went back' : { ...memory, other }
  }

  /** Every call but advance reads the suspend request first, and grants it. */
  #grant(before: Producer, view: View<Unit>): Result {
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const { own, other } = memory
    const obeys = this.#rules.pushObeys || memory.item === undefined
    if (own.flag === other.flag || !obeys) return this.#go(memory, view)
    const units = [{ at: PRODUCER, value: { ...own, flag: other.flag } }]
    return { memory, pending: writeOf(units, 'granted') }
  }

  #go(memory: Producer, view: View<Unit>): Result {
    const { call, own } = memory
    const isPush = memory.item !== undefined
    if (own.flag && (this.#rules.pushObeys || !isPush)) {
      const gone = call === 'attach' ? {} : { memory: idle(memory) }
      return { ...gone, answer: { status: 'suspended' } }
    }
    if (isPush) return this.#makeRoom(memory, view)
    return {
      memory: idle(memory),
      answer: { status: call === 'attach' ? 'attached' : 'running' },
    }
  }

  #makeRoom(before: Producer, view: View<Unit>): Result {
    const needed = before.tail + slotsOf(before.item ?? 0) - this.#slots.capacity
    if (needed <= before.freed || !this.#rules.needsRoom) return this.#put(before, view)
    const memory = needed > before.other.offset ? this.#refresh(before, view) : before
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const seen = memory.other.offset
    if (needed > seen) return { memory: idle(memory), answer: { status: 'retry' } }
    if (!this.#rules.flushBeforeReuse) return this.#put({ ...memory, freed: seen }, view)
    return { memory: { ...memory, seen }, pending: { kind: 'flush', after: 'freed' } }
  }

  /** Writes the item after the tail, and with it what else its sectors hold. */
  #put(memory: Producer, view: View<Unit>): Result {
    const { tail, item = 0 } = memory
    const slots = this.#slots
    const parts = slotsOf(item) === 1 ? [item] : [item, -item]
    const end = tail + parts.length
    const half = this.#rules.keepsBefore ? memory.half : 0
    const isLive = end + 1 > memory.freed + slots.capacity && this.#rules.keepsAfter
    const row = [
      ...(tail % 2 === 1 ? [half] : []),
      ...parts,
      ...(end % 2 === 1 ? [isLive ? slots.read(view, end) : 0] : []),
    ]
    const first = slots.unit(tail)
    const last = slots.unit(end - 1)
    const units = [{ at: first, value: [row[0] as number, row[1] as number] as const }]
    if (row.length > 2) units.push({ at: last, value: [row[2] as number, row[3] as number] })
    if (last >= first) {
      const durable = this.#rules.itemsBeforePointer
      return { memory, pending: writeOf(units, 'pushed', { durable }) }
    }
    return this.#putRest({ ...memory, rest: units })
  }

  /** Where the ring wraps, a push is two writes and a flush. */
  #putRest(memory: Producer): Result {
    const [unit, ...rest] = memory.rest ?? []
    if (unit === undefined) return { memory, pending: { kind: 'flush', after: 'pushed' } }
    return {
      memory: { ...memory, rest },
      pending: writeOf([unit], 'written', { durable: false }),
    }
  }

  #pushed(memory: Producer, view: View<Unit>): Result {
    const { item = 0 } = memory
    const end = memory.tail + slotsOf(item)
    const half = end % 2 === 1 ? (slotsOf(item) === 1 ? item : -item) : 0
    const held = [...memory.held, { item, end }]
    const after = { ...memory, tail: end, held, half }
    if (memory.call === 'append') return this.#show({ ...after, end }, view)
    return { memory: idle(after), answer: { status: 'ok' } }
  }

  /** Moves the pointer. */
  #show(before: Producer, view: View<Unit>): Result {
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const { held, own, end: offset = 0 } = memory
    const shows = held.filter(({ end }) => end <= offset).map(({ item }) => item)
    const units = [{ at: PRODUCER, value: { ...own, offset } }]
    const durable = this.#rules.pointerBeforeAnswer
    return { memory, pending: writeOf(units, 'shown', { shows, durable }) }
  }
}
