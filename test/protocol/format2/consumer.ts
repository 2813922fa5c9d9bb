import type { Budget, RoleProtocol, Turn, View } from '../machine.ts'
import type { Log } from './log.ts'
import * as read from './reading.ts'
import {
  CONSUMER,
  type ConsumerSlot,
  consumerSlots,
  newest,
  older,
  producerSlots,
  type Rules,
  type Unit,
  type Which,
  writeOf,
} from './rules.ts'

/** What the consumer knows. */
export interface Consumer {
  /** What its slots hold. */
  readonly slots: readonly [ConsumerSlot, ConsumerSlot]
  readonly reading: read.Reading
  readonly suspendRequest: boolean
  /** The position that the last pop returned. */
  readonly at?: read.Position
  /** It will checkpoint as soon as it is idle. */
  readonly armed: boolean
  /** The generations that attaching read before its flush. */
  readonly pass?: string
  /** The slot that it writes. */
  readonly writing?: { readonly which: Which; readonly slot: ConsumerSlot }
  /** Slots that settling may still write. */
  readonly writes?: number
}

type Result = Turn<Consumer, Unit>

/** The consumer of format 2. */
export class ConsumerProtocol implements RoleProtocol<Consumer, Unit> {
  readonly #log: Log
  readonly #rules: Rules

  constructor(log: Log, rules: Rules) {
    this.#log = log
    this.#rules = rules
  }

  attach(view: View<Unit>): Result {
    const memory = this.#fresh(view)
    if (!this.#rules.flushAtAttach) return { memory, answer: { status: 'attached' } }
    const pass = generations(view)
    return { memory: { ...memory, pass }, pending: { kind: 'flush', after: 'pass' } }
  }

  calls({ slots, reading, at, armed }: Consumer, left: Budget): string[] {
    const moved = at !== undefined && read.seqOf(reading, at) > reading.cursor.seq
    const suspended = slots[newest(slots)].suspendRequest
    return [
      'pop',
      ...(moved ? ['advance'] : []),
      ...(left.suspendRequest > 0 ? ['suspend'] : []),
      ...(suspended ? ['resume'] : []),
      'state',
      ...(armed ? ['idle'] : []),
      ...(left.crash > 0 ? ['detach'] : []),
    ]
  }

  call(before: Consumer, call: string, view: View<Unit>): Result {
    if (call === 'pop') return this.#pop(before, view)
    if (call === 'idle') return this.#settle({ ...before, armed: false, writes: 2 }, view, 'idle')
    if (call === 'detach') return this.#settle({ ...before, writes: 2 }, view, 'detach')
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const { ack } = memory.reading.producer
    switch (call) {
      case 'state':
        return { memory, answer: { status: ack ? 'suspended' : 'running' } }
      case 'advance': {
        const place = read.cursorOf(memory.reading, memory.at ?? { epoch: 0, seq: 0 })
        if (place === undefined) return { memory, broken: 'what was popped is gone' }
        const reading = { ...memory.reading, cursor: place }
        return this.#checkpoint({ ...memory, reading }, 'given', { gives: true })
      }
      default: {
        const suspendRequest = call === 'suspend'
        const waits = memory.suspendRequest !== ack
        if (waits && this.#rules.requestWaits) return { memory, answer: { status: 'retry' } }
        const lost = waits && memory.suspendRequest !== suspendRequest
        const broken = lost && { broken: 'a suspend request is lost before it is granted' }
        return {
          ...this.#checkpoint({ ...memory, suspendRequest }, 'requested', { suspendRequest }),
          ...broken,
        }
      }
    }
  }

  resume(before: Consumer, after: string, view: View<Unit>): Result {
    if (after === 'pass') {
      const memory = this.#fresh(view)
      const pass = generations(view)
      if (pass === before.pass) return { memory, answer: { status: 'attached' } }
      return { memory: { ...memory, pass }, pending: { kind: 'flush', after: 'pass' } }
    }
    const { writing, ...rest } = before
    const memory = writing === undefined ? rest : { ...rest, slots: put(rest.slots, writing) }
    if (after === 'idle' || after === 'detach') return this.#settle(memory, view, after)
    if (after === 'requested') return this.#checkpoint(memory, 'requested twice')
    if (after === 'requested twice') return { memory, answer: { status: 'ok' } }
    if (after === 'given' && this.#holdsBack(memory)) return this.#checkpoint(memory, 'again')
    const { at: _given, ...moved } = memory
    const reading = read.movedTo(memory.reading, memory.reading.cursor)
    return { memory: { ...moved, reading, armed: true }, answer: { status: 'ok' } }
  }

  #fresh(view: View<Unit>): Consumer {
    const slots = consumerSlots(view)
    const producers = producerSlots(view)
    const { cursor, seen, suspendRequest } = slots[newest(slots)]
    const producer = producers[newest(producers)]
    const before = read.readingFrom(cursor, seen, producer)
    const reading = read.learn(before, producer, this.#rules)
    const armed = this.#rules.settlesAfterAttach
      ? !isSettled(slots, reading)
      : reading.seen !== seen
    return { slots, reading, suspendRequest, armed }
  }

  #refresh(memory: Consumer, view: View<Unit>): Consumer | string {
    const found = consumerSlots(view)
    const own = memory.slots.every((slot, at) => slot.generation === found[at]?.generation)
    if (!own) return 'another consumer wrote'
    const producers = producerSlots(view)
    const reading = read.learn(memory.reading, producers[newest(producers)], this.#rules)
    const { seen, cursor } = memory.reading
    const isNew = reading.seen !== seen || reading.cursor !== cursor
    return { ...memory, reading, armed: memory.armed || isNew }
  }

  #pop(before: Consumer, view: View<Unit>): Result {
    const from = before.at ?? read.ownPosition(before.reading)
    const first = read.next(before.reading, from, this.#log, view)
    if (first.item !== undefined || first.broken !== undefined) return popped(before, first)
    const memory = this.#refresh({ ...before, reading: first.reading }, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    return popped(memory, read.next(memory.reading, from, this.#log, view))
  }

  /** Whether the older slot keeps more than a quarter of the ring from the producer. */
  #holdsBack({ slots, reading }: Consumer): boolean {
    const least = Math.min(...slots.map(({ cursor }) => cursor.lsn))
    return reading.cursor.lsn - least > this.#log.blocks / 4
  }

  /** Writes until both slots carry the cursor. */
  #settle(before: Consumer, view: View<Unit>, after: string): Result {
    const { writes = 0, ...rest } = before
    const settled = isSettled(rest.slots, rest.reading)
    if (settled || writes === 0 || !this.#rules.idleBothSlots) {
      return after === 'idle'
        ? { memory: rest, answer: { status: 'ok' } }
        : { answer: { status: 'ok' } }
    }
    const memory = this.#refresh({ ...rest, writes: writes - 1 }, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    return this.#checkpoint(memory, after)
  }

  #checkpoint(
    memory: Consumer,
    after: string,
    more: { readonly gives?: boolean; readonly suspendRequest?: boolean } = {},
  ): Result {
    const { slots, reading, suspendRequest } = memory
    const which = older(slots)
    const generation = 1 + slots[newest(slots)].generation
    const slot = { generation, cursor: reading.cursor, seen: reading.seen, suspendRequest }
    const units = [{ at: CONSUMER + which, value: slot }]
    return { memory: { ...memory, writing: { which, slot } }, pending: writeOf(units, after, more) }
  }
}

/** Whether both slots carry the cursor. */
function isSettled(slots: Consumer['slots'], { cursor, seen }: read.Reading): boolean {
  return slots.every((slot) => slot.cursor.lsn === cursor.lsn && slot.seen === seen)
}

function generations(view: View<Unit>): string {
  return consumerSlots(view)
    .map(({ generation }) => generation)
    .join()
}

function put(
  slots: Consumer['slots'],
  { which, slot }: NonNullable<Consumer['writing']>,
): Consumer['slots'] {
  return which === 0 ? [slot, slots[1]] : [slots[0], slot]
}

function popped(memory: Consumer, { reading, item, position, broken }: read.Found): Result {
  if (broken !== undefined) return { memory, broken }
  if (item === undefined || position === undefined) {
    return { memory: { ...memory, reading }, answer: { status: 'retry' } }
  }
  return { memory: { ...memory, reading, at: position }, answer: { status: 'item', item } }
}
