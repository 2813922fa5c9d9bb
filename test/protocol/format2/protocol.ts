import { type Budget, type Protocol, seen, stableCell, type View } from '../machine.ts'
import { type Consumer, ConsumerProtocol } from './consumer.ts'
import { Log } from './log.ts'
import { type Producer, ProducerProtocol } from './producer.ts'
import { allItems, learn, readingFrom } from './reading.ts'
import {
  consumerSlots,
  newest,
  ORIGIN,
  producerSlots,
  RULES,
  type Rules,
  type Unit,
} from './rules.ts'

/** How much of format 2 is explored. */
export interface Bounds extends Budget {
  /** Blocks of the log. */
  readonly blocks: number
  /** What the producer calls. */
  readonly calls: readonly string[]
}

/** The protocol of format 2. A batch has at most one item, in one block or two. */
export function format2(
  bounds: Bounds,
  rules: Partial<Rules> = {},
): Protocol<Producer, Consumer, Unit> {
  const { blocks, push, crash, suspendRequest, calls } = bounds
  const all = { ...RULES, ...rules }
  const log = new Log(blocks, all)
  const epochs = [{ epoch: 1, start: ORIGIN }]
  const producerSlot = (generation: number): Unit => ({
    generation,
    committed: ORIGIN,
    epochs,
    ack: false,
  })
  const consumerSlot = (generation: number): Unit => ({
    generation,
    cursor: ORIGIN,
    seen: 1,
    suspendRequest: false,
  })
  const front = [producerSlot(1), producerSlot(2), consumerSlot(1), consumerSlot(2)]
  const data = Array.from({ length: blocks }, () => null)

  const waiting = (view: View<Unit>): readonly number[] | string => {
    const consumers = consumerSlots(view)
    const producers = producerSlots(view)
    const { cursor, seen } = consumers[newest(consumers)]
    const producer = producers[newest(producers)]
    const reading = learn(readingFrom(cursor, seen, producer), producer, all)
    return allItems(reading, log, view)
  }

  return {
    initial: {
      medium: [...front, ...data].map(stableCell<Unit>),
      history: {
        next: 1,
        log: [],
        acked: 0,
        given: 0,
        delivered: 0,
        suspendRequest: false,
        barrier: false,
      },
      left: { push, crash, suspendRequest },
    },
    producer: new ProducerProtocol(log, all),
    consumer: new ConsumerProtocol(log, all),
    only: calls,
    waiting,
    // Only the order of a role's generations counts, so they are counted from what is on the medium.
    canonical(state) {
      const view = seen(state.medium)
      const [first] = producerSlots(view)
      const [other] = consumerSlots(view)
      const bases = { o: first.generation, u: other.generation }
      return JSON.stringify(state).replace(
        /"generation":(\d+),"c([ou])/g,
        (_text, generation: string, role: 'o' | 'u') =>
          `${Number(generation) - bases[role]}${role}`,
      )
    },
    suspendRequest: (view) => {
      const consumers = consumerSlots(view)
      return consumers[newest(consumers)].suspendRequest
    },
    quiescent({ medium, producer, consumer }) {
      if (producer === undefined || consumer === undefined) return false
      if (producer.pending !== undefined || consumer.pending !== undefined) return false
      const { tail, held, ack } = producer.memory
      const slots = consumerSlots(seen(medium))
      const free = slots.every(
        (slot) =>
          slot.cursor.lsn === tail.lsn && slot.seen === producer.memory.epochs.at(-1)?.epoch,
      )
      return free && held.length === 0 && !ack && !slots[newest(slots)].suspendRequest
    },
  }
}
