import { type Budget, type Protocol, seen, stableCell, type View } from '../machine.ts'
import { type Consumer, ConsumerProtocol } from './consumer.ts'
import { type Producer, ProducerProtocol } from './producer.ts'
import {
  CONSUMER,
  PRODUCER,
  pointerAt,
  RULES,
  type Rules,
  Slots,
  slotsOf,
  type Unit,
} from './rules.ts'

/** How much of format 1 is explored. */
export interface Bounds extends Budget {
  /** Sectors of the data area. */
  readonly sectors: number
  /** What the producer calls. */
  readonly calls: readonly string[]
}

/** The protocol of format 1. Two slots are a sector, so that sectors are rewritten. */
export function format1(
  bounds: Bounds,
  rules: Partial<Rules> = {},
): Protocol<Producer, Consumer, Unit> {
  const { sectors, push, crash, suspendRequest, calls } = bounds
  const slots = new Slots(sectors)
  const all = { ...RULES, ...rules }
  const pointer = stableCell<Unit>({ offset: 0, flag: false })
  const data = Array.from({ length: sectors }, () => stableCell<Unit>([0, 0]))

  const waiting = (view: View<Unit>): readonly number[] | string => {
    const producer = pointerAt(view, PRODUCER).offset
    const consumer = pointerAt(view, CONSUMER).offset
    if (consumer > producer || producer > consumer + slots.capacity) {
      return `the pointers ${producer} and ${consumer} do not fit each other`
    }
    const items: number[] = []
    for (let at = consumer; at < producer; ) {
      const item = slots.read(view, at)
      if (item <= 0) return `no item begins in slot ${at}`
      at += slotsOf(item)
      if (slotsOf(item) === 2 && slots.read(view, at - 1) !== -item) return `item ${item} is torn`
      items.push(item)
    }
    return items
  }

  return {
    initial: {
      medium: [pointer, pointer, ...data],
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
    producer: new ProducerProtocol(slots, all),
    consumer: new ConsumerProtocol(slots, all),
    only: calls,
    waiting,
    suspendRequest: (view) => pointerAt(view, CONSUMER).flag,
    quiescent({ medium, producer, consumer }) {
      if (producer === undefined || consumer === undefined) return false
      if (producer.pending !== undefined || consumer.pending !== undefined) return false
      const view = seen(medium)
      const ends = [pointerAt(view, PRODUCER), pointerAt(view, CONSUMER)]
      const drained = ends.every(({ offset, flag }) => offset === ends[0]?.offset && !flag)
      return drained && producer.memory.held.length === 0
    },
  }
}
