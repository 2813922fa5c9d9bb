import type { RoleProtocol, Turn, View } from '../machine.ts'
import {
  CONSUMER,
  type Pointer,
  PRODUCER,
  pointerAt,
  type Rules,
  type Slots,
  slotsOf,
  type Unit,
  writeOf,
} from './rules.ts'

/** What the consumer knows. */
export interface Consumer {
  readonly own: Pointer
  readonly other: Pointer
  /** Where the next item is popped. */
  readonly at: number
  /** The producer's offset that a flush made durable. */
  readonly durable: number
  /** The producer's offset before the flush under way. */
  readonly seen?: number
  /** The suspend request under way. */
  readonly suspendRequest?: boolean
}

type Result = Turn<Consumer, Unit>

/** The consumer of format 1. */
export class ConsumerProtocol implements RoleProtocol<Consumer, Unit> {
  readonly #slots: Slots
  readonly #rules: Rules

  constructor(slots: Slots, rules: Rules) {
    this.#slots = slots
    this.#rules = rules
  }

  attach(view: View<Unit>): Result {
    const own = pointerAt(view, CONSUMER)
    const other = pointerAt(view, PRODUCER)
    const memory = { own, other, at: own.offset, durable: own.offset }
    return { memory, answer: { status: 'attached' } }
  }

  calls(
    { own, at }: Consumer,
    left: { readonly crash: number; readonly suspendRequest: number },
  ): string[] {
    return [
      'pop',
      ...(at > own.offset ? ['advance'] : []),
      ...(left.suspendRequest > 0 ? ['suspend'] : []),
      ...(own.flag ? ['resume'] : []),
      'state',
      ...(left.crash > 0 ? ['detach'] : []),
    ]
  }

  call(before: Consumer, call: string, view: View<Unit>): Result {
    if (call === 'detach') return { answer: { status: 'ok' } }
    if (call === 'pop') return this.#pop(before, view)
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const { own, other, at } = memory
    switch (call) {
      case 'state':
        return { memory, answer: { status: other.flag ? 'suspended' : 'running' } }
      case 'advance':
        if (at <= memory.durable || !this.#rules.flushBeforeCursor) return this.#give(memory)
        return {
          memory: { ...memory, seen: other.offset },
          pending: { kind: 'flush', after: 'durable' },
        }
      default: {
        const suspendRequest = call === 'suspend'
        const waits = own.flag !== other.flag
        if (waits && this.#rules.requestWaits) return { memory, answer: { status: 'retry' } }
        const units = [{ at: CONSUMER, value: { ...own, flag: suspendRequest } }]
        const broken =
          waits && own.flag !== suspendRequest
            ? 'a suspend request is lost before it is granted'
            : ''
        return {
          memory: { ...memory, suspendRequest },
          pending: writeOf(units, 'requested', { suspendRequest }),
          ...(broken !== '' && { broken }),
        }
      }
    }
  }

  resume({ seen, suspendRequest, ...memory }: Consumer, after: string): Result {
    const { own, at } = memory
    switch (after) {
      case 'durable':
        return this.#give({ ...memory, durable: seen ?? memory.durable })
      case 'given':
        return { memory: { ...memory, own: { ...own, offset: at } }, answer: { status: 'ok' } }
      default:
        return {
          memory: { ...memory, own: { ...own, flag: suspendRequest === true } },
          answer: { status: 'ok' },
        }
    }
  }

  #refresh(memory: Consumer, view: View<Unit>): Consumer | string {
    const own = pointerAt(view, CONSUMER)
    const other = pointerAt(view, PRODUCER)
    const { own: left } = memory
    if (own.offset !== left.offset || own.flag !== left.flag) return 'another consumer wrote'
    return other.offset < memory.other.offset ? 'the producer went back' : { ...memory, other }
  }

  #pop(before: Consumer, view: View<Unit>): Result {
    const { at } = before
    const memory = at >= before.other.offset ? this.#refresh(before, view) : before
    if (typeof memory === 'string') return { memory: before, broken: memory }
    if (at >= memory.other.offset) return { memory, answer: { status: 'retry' } }
    const item = this.#slots.read(view, at)
    return { memory: { ...memory, at: at + slotsOf(item) }, answer: { status: 'item', item } }
  }

  #give(memory: Consumer): Result {
    const units = [{ at: CONSUMER, value: { ...memory.own, offset: memory.at } }]
    return { memory, pending: writeOf(units, 'given', { gives: true }) }
  }
}
