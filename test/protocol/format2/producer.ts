import type { Budget, RoleProtocol, Turn, View } from '../machine.ts'
import { endOf, firstUnseen, type Log } from './log.ts'
import { beginEpoch } from './reading.ts'
import {
  type Batch,
  type ConsumerSlot,
  consumerSlots,
  type Epoch,
  type LogPosition,
  newest,
  older,
  PRODUCER,
  type ProducerSlot,
  producerSlots,
  type Rules,
  type Unit,
  type Which,
  writeOf,
} from './rules.ts'

/** What the producer knows. */
export interface Producer {
  /** What its slots hold. */
  readonly slots: readonly [ProducerSlot, ProducerSlot]
  readonly consumer: readonly [ConsumerSlot, ConsumerSlot]
  readonly epochs: readonly Epoch[]
  readonly tail: LogPosition
  /** Log positions of uncommitted batches. */
  readonly held: readonly LogPosition[]
  /** Items that were pushed but are not committed, and their sequence numbers. */
  readonly items: readonly { readonly item: number; readonly seq: number }[]
  readonly committedTo: number
  readonly ack: boolean
  /** It will checkpoint as soon as it is idle. */
  readonly armed: boolean
  /** It recorded that there was no room; for a second, it does not do so again. */
  readonly told: boolean
  /** The call under way. */
  readonly call?: string
  /** What attaching read before its flush. */
  readonly pass?: string
  /** The slot that it writes. */
  readonly writing?: { readonly which: Which; readonly slot: ProducerSlot }
  /** The batch that it writes. */
  readonly batch?: Batch
}

/** What a block holds after a write. */
interface Write {
  readonly at: number
  readonly value: Unit
}

type Result = Turn<Producer, Unit>

/** Forgets what belongs to a call. */
function idle(memory: Producer): Producer {
  const { slots, consumer, epochs, tail, held, items, committedTo, ack, armed, told } = memory
  return { slots, consumer, epochs, tail, held, items, committedTo, ack, armed, told }
}

/** The producer of format 2. */
export class ProducerProtocol implements RoleProtocol<Producer, Unit> {
  readonly #log: Log
  readonly #rules: Rules

  constructor(log: Log, rules: Rules) {
    this.#log = log
    this.#rules = rules
  }

  attach(view: View<Unit>): Result {
    const { memory, broken } = this.#found(view)
    if (broken !== undefined) return { memory, broken }
    if (!this.#rules.flushAtAttach) return this.#begin(memory, view)
    return { memory, pending: { kind: 'flush', after: 'pass' } }
  }

  calls({ items, armed }: Producer, left: Budget): string[] {
    const possible: Readonly<Record<string, boolean>> = {
      push1: left.push > 0,
      push2: left.push > 0,
      append: left.push > 0,
      append2: left.push > 0,
      advance: items.length > 0,
      advanceFirst: items.length > 1,
      state: true,
      idle: armed,
      detach: left.crash > 0,
    }
    return Object.keys(possible).filter((call) => possible[call])
  }

  call(before: Producer, call: string, view: View<Unit>, next: number): Result {
    const memory = { ...before, call }
    switch (call) {
      case 'idle':
      case 'detach':
        return this.#settle({ ...memory, armed: memory.armed && call === 'detach' }, view)
      case 'advance':
      case 'advanceFirst':
        return this.#advance(memory, view, next)
      default: {
        const refreshed = this.#refresh(memory, view)
        if (typeof refreshed === 'string') return { memory, broken: refreshed }
        const turn = this.#grant(refreshed, view, next)
        return call === 'state' || turn.pending === undefined ? turn : { ...turn, uses: 1 }
      }
    }
  }

  resume(before: Producer, after: string, view: View<Unit>, next: number): Result {
    const { writing, ...rest } = before
    const memory = writing === undefined ? rest : { ...rest, slots: put(rest.slots, writing) }
    switch (after) {
      case 'pass': {
        const { memory: found, broken } = this.#found(view)
        if (broken !== undefined) return { memory: found, broken }
        // A running consumer keeps writing: what it said before the flush is on the medium.
        if (found.pass === before.pass) {
          return this.#begin({ ...found, consumer: before.consumer }, view)
        }
        return { memory: found, pending: { kind: 'flush', after: 'pass' } }
      }
      case 'epoch':
        return this.#checkpoint(memory, older(memory.slots), 'epochs')
      case 'epochs':
        return this.#attached(memory, view)
      case 'refused':
        return { answer: { status: 'suspended' } }
      case 'granted':
        return this.#go(memory, view, next - 1)
      case 'noRoom':
        return { memory: idle(memory), answer: { status: 'retry' } }
      case 'before':
        return this.#checkpointBefore(memory)
      case 'header':
        return this.#writeBody(memory)
      case 'batch':
        return this.#written(memory)
      default:
        return finished(memory)
    }
  }

  /** What an attaching producer finds. */
  #found(view: View<Unit>): { readonly memory: Producer; readonly broken?: string } {
    const slots = producerSlots(view)
    const consumer = consumerSlots(view)
    const { committed, epochs } = slots[newest(slots)]
    const { logPosition, epoch, damaged } = this.#log.replay(view, committed, epochs)
    const generations = slots.map(({ generation }) => generation)
    const pass = JSON.stringify([generations, logPosition, epoch])
    const none = { held: [], items: [], ack: false, armed: false, told: false, call: 'attach' }
    const memory = {
      slots,
      consumer,
      epochs,
      tail: logPosition,
      committedTo: logPosition.seq,
      ...none,
      pass,
    }
    return { memory, ...(damaged && { broken: 'recovery finds damage' }) }
  }

  #begin(memory: Producer, view: View<Unit>): Result {
    const { slots, consumer, tail } = memory
    const before = slots[newest(slots)]
    if (consumer[newest(consumer)].suspendRequest) {
      if (before.ack) return { answer: { status: 'suspended' } }
      const slot = { ...before, generation: before.generation + 1, ack: true }
      const which = older(slots)
      return { memory, pending: writeOf([{ at: PRODUCER + which, value: slot }], 'refused') }
    }
    const seen = consumer.map((slot) => slot.seen)
    const known = slots.flatMap((slot) => slot.epochs.map(({ epoch }) => epoch))
    const { epoch: inBatches } = this.#log.replay(view, before.committed, before.epochs)
    const epoch = 1 + Math.max(inBatches, ...seen, ...known)
    const keepFrom = this.#freeTo(memory)
    const start = { epoch, start: tail }
    const epochs = beginEpoch(memory.epochs, start, keepFrom, Math.min(...seen))
    const began = { ...memory, epochs }
    if (!this.#rules.epochBeforeAccepting) return this.#attached(began, view)
    return this.#checkpoint(began, older(slots), 'epoch')
  }

  #attached(before: Producer, view: View<Unit>): Result {
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    return { memory: idle(memory), answer: { status: 'attached' } }
  }

  #refresh(memory: Producer, view: View<Unit>): Producer | string {
    const found = producerSlots(view)
    const own = memory.slots.every((slot, at) => slot.generation === found[at]?.generation)
    return own ? { ...memory, consumer: consumerSlots(view) } : 'another producer wrote'
  }

  #grant(memory: Producer, view: View<Unit>, next: number): Result {
    const { consumer, slots, ack, call } = memory
    const { suspendRequest } = consumer[newest(consumer)]
    const obeys = this.#rules.pushObeys || call === 'state'
    if (suspendRequest === ack || !obeys) return this.#go(memory, view, next)
    return this.#checkpoint({ ...memory, ack: suspendRequest }, older(slots), 'granted')
  }

  #go(memory: Producer, view: View<Unit>, number: number): Result {
    const { call, ack, tail, items } = memory
    if (ack && (this.#rules.pushObeys || call === 'state')) {
      return { memory: idle(memory), answer: { status: 'suspended' } }
    }
    if (call === 'state') return { memory: idle(memory), answer: { status: 'running' } }
    const commits = call?.startsWith('append') === true
    const blocks = call?.endsWith('2') === true ? 2 : 1
    const reserve = commits || !this.#rules.leavesRoom ? 0 : 1 + items.length
    const refreshed = this.#withRoom(memory, blocks + reserve, view)
    if (typeof refreshed === 'string') return { memory, broken: refreshed }
    if (refreshed === undefined) return this.#refuse(memory)
    const to = commits ? tail.seq + 1 : memory.committedTo
    const epoch = memory.epochs.at(-1)?.epoch ?? 0
    const batch = { id: number, start: tail, epoch, to, item: number, blocks }
    return this.#checkpointBefore({ ...refreshed, batch })
  }

  #refuse(memory: Producer): Result {
    if (memory.told) return { memory: idle(memory), answer: { status: 'retry' } }
    return this.#checkpoint({ ...memory, told: true }, older(memory.slots), 'noRoom')
  }

  #advance(before: Producer, view: View<Unit>, next: number): Result {
    const { items, tail, call } = before
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    const last = call === 'advance' ? items.at(-1) : items[0]
    const to = 1 + (last?.seq ?? 0)
    const refreshed = this.#withRoom(memory, 1, view)
    if (typeof refreshed !== 'object')
      return { memory, broken: refreshed ?? 'no room for an advance' }
    const epoch = memory.epochs.at(-1)?.epoch ?? 0
    const batch = { id: next, start: tail, epoch, to, blocks: 1 }
    return { ...this.#checkpointBefore({ ...refreshed, batch }), uses: 1 }
  }

  /** The memory if that many blocks are free, after a refresh if necessary. */
  #withRoom(memory: Producer, blocks: number, view: View<Unit>): Producer | string | undefined {
    const needed = memory.tail.lsn + blocks - this.#log.blocks
    if (needed <= this.#freeTo(memory)) return memory
    const refreshed = this.#refresh(memory, view)
    if (typeof refreshed === 'string') return refreshed
    return needed <= this.#freeTo(refreshed) ? refreshed : undefined
  }

  #freeTo({ consumer, epochs }: Producer): number {
    const ends = consumer.map(({ cursor, seen }) => {
      const unseen = this.#rules.freesBySeen ? firstUnseen(epochs, seen) : undefined
      return Math.min(cursor.lsn, unseen?.start.lsn ?? cursor.lsn)
    })
    return this.#rules.freesByLower ? Math.min(...ends) : (ends[newest(consumer)] ?? 0)
  }

  /** Checkpoints before the block is reused at which recovery would begin. */
  #checkpointBefore(memory: Producer): Result {
    const { slots, tail, batch } = memory
    const overwritten = tail.lsn + (batch?.blocks ?? 1) - this.#log.blocks
    const published = Math.min(...slots.map(({ committed }) => committed.lsn))
    if (overwritten <= published || !this.#rules.publishesBeforeReuse) {
      return this.#writeBatch(memory)
    }
    return this.#checkpoint(memory, older(slots), 'before')
  }

  #writeBatch(memory: Producer): Result {
    const { batch } = memory
    if (batch === undefined) return { memory, broken: 'there is no batch' }
    const [header, body] = this.#units(batch)
    const durable = this.#rules.batchBeforeAnswer
    // Where the log wraps, a batch is two writes, and counts when both are there.
    if (body !== undefined && body.at < header.at) {
      return { memory, pending: writeOf([header], 'header', { durable }) }
    }
    return this.#complete(memory, batch, body === undefined ? [header] : [header, body])
  }

  #writeBody(memory: Producer): Result {
    const { batch } = memory
    const body = batch && this.#units(batch)[1]
    if (batch === undefined || body === undefined) return { memory, broken: 'there is no body' }
    return this.#complete(memory, batch, [body])
  }

  #units(batch: Batch): readonly [Write, Write?] {
    const header = { at: this.#log.unit(batch.start.lsn), value: batch }
    if (batch.blocks === 1) return [header]
    return [header, { at: this.#log.unit(batch.start.lsn + 1), value: { of: batch.id } }]
  }

  /** The write that completes a batch, and so commits. */
  #complete(memory: Producer, batch: Batch, units: readonly Write[]): Result {
    const shows = [
      ...memory.items.filter(({ seq }) => seq < batch.to).map(({ item }) => item),
      ...(batch.item !== undefined && batch.start.seq < batch.to ? [batch.item] : []),
    ]
    const more = shows.length > 0 ? { shows } : {}
    const durable = this.#rules.batchBeforeAnswer
    return { memory, pending: writeOf(units, 'batch', { ...more, durable }) }
  }

  #written(memory: Producer): Result {
    const { batch, tail: before } = memory
    if (batch === undefined) return { memory, broken: 'there is no batch' }
    const tail = endOf(batch)
    const { item, to } = batch
    const more = item === undefined ? [] : [{ item, seq: before.seq }]
    const items = [...memory.items, ...more].filter(({ seq }) => seq >= to)
    let held = [...memory.held, before]
    while (held.length > 0 && (held[1] ?? tail).seq <= to) held = held.slice(1)
    const after = { ...memory, tail, items, held, committedTo: to, armed: true }
    return { memory: idle(after), answer: { status: 'ok' } }
  }

  #settle(before: Producer, view: View<Unit>): Result {
    const { lsn } = committedOf(before)
    if (!before.slots.every(({ committed }) => committed.lsn < lsn)) return finished(before)
    const memory = this.#refresh(before, view)
    if (typeof memory === 'string') return { memory: before, broken: memory }
    return this.#checkpoint(memory, older(memory.slots), 'settled')
  }

  #checkpoint(memory: Producer, which: Which, after: string): Result {
    const { slots, epochs, ack } = memory
    const generation = 1 + slots[newest(slots)].generation
    const slot = { generation, committed: committedOf(memory), epochs, ack }
    const units = [{ at: PRODUCER + which, value: slot }]
    return { memory: { ...memory, writing: { which, slot } }, pending: writeOf(units, after) }
  }
}

/** The log position up to which everything is committed. */
function committedOf({ held, tail }: Producer): LogPosition {
  return held[0] ?? tail
}

function put(
  slots: Producer['slots'],
  { which, slot }: NonNullable<Producer['writing']>,
): Producer['slots'] {
  return which === 0 ? [slot, slots[1]] : [slots[0], slot]
}

function finished(memory: Producer): Result {
  const gone = memory.call === 'detach' ? {} : { memory: idle(memory) }
  return { ...gone, answer: { status: 'ok' } }
}
