import type { ReaderEvent } from '../../ring/queue/events.ts'
import type { HeldEvent } from '../../ring/queue/unacked-limit.ts'
import { Histogram, LATENCIES, WAITS } from '../histogram.ts'
import { each, instrumentOf, type MakeInstrument, one } from './instrument.ts'

const labels = {
  device: ({ device }: Pick<ReaderEvent, 'device'>): string => device,
  queue: ({ queue }: Pick<ReaderEvent, 'queue'>): string => queue,
  client: ({ client }: Pick<ReaderEvent, 'client'>): string => client,
}

interface ReaderRecord {
  open: number
  items: number
  bytes: number
  again: number
  missed: number
  acknowledged: number
  unacked: number | undefined
  readonly wakes: { hint: number; call: number; poll: number }
  readonly receiptTimes: Histogram
  readonly acknowledgeTimes: Histogram
}

/** Instruments of running readers. */
export const readerInstrument: MakeInstrument = instrumentOf<ReaderEvent, ReaderRecord>({
  channel: 'shared-block-ring:reader',
  labels,
  start: () => ({
    ...{ open: 0, items: 0, bytes: 0, again: 0, missed: 0, acknowledged: 0, unacked: undefined },
    wakes: { hint: 0, call: 0, poll: 0 },
    receiptTimes: new Histogram(WAITS),
    acknowledgeTimes: new Histogram(LATENCIES),
  }),
  hear: (record, event) => {
    record.open = event.event === 'closed' ? 0 : 1
    switch (event.event) {
      case 'received':
        record.items += event.entries.length
        record.again += event.redelivered
        record.bytes += event.bytes
        record.missed += event.missed
        record.unacked = event.unackedEntries
        for (const { count, pushedAt } of event.pushes)
          if (pushedAt !== undefined) record.receiptTimes.observeMs(event.at - pushedAt, count)
        break
      case 'acknowledged':
        record.acknowledged += event.count
        record.unacked = event.unackedEntries
        record.acknowledgeTimes.observeMs(event.durationMs)
        break
      case 'woken':
        record.wakes[event.by]++
        break
      case 'closed':
        record.unacked = undefined
    }
  },
  metrics: [
    one('gauge', 'reader_open', 'Whether a reader is open.', ({ open }) => open),
    one('counter', 'reader_items_total', 'Items received.', ({ items }) => items),
    one('counter', 'reader_bytes_total', 'Bytes of these.', ({ bytes }) => bytes),
    one(
      'counter',
      'reader_redelivered_items_total',
      'Items that the same reader had delivered before.',
      ({ again }) => again,
    ),
    one(
      'counter',
      'reader_missed_items_total',
      'Items overwritten before they were received.',
      ({ missed }) => missed,
    ),
    one(
      'histogram',
      'reader_push_to_receipt_seconds',
      'Time from the push of an item to its receipt, by the clocks of both sides (format 2).',
      ({ receiptTimes }) => receiptTimes,
    ),
    one(
      'counter',
      'reader_acknowledged_items_total',
      'Items acknowledged.',
      (record) => record.acknowledged,
    ),
    one(
      'histogram',
      'reader_acknowledge_seconds',
      'Time of a write that acknowledges.',
      ({ acknowledgeTimes }) => acknowledgeTimes,
    ),
    one(
      'gauge',
      'reader_unacked_items',
      'Items that were delivered and still take space.',
      ({ unacked }) => unacked,
    ),
    each(
      'counter',
      'reader_wakeups_total',
      'What ended pauses of a reader.',
      'by',
      ({ wakes }) => wakes,
    ),
  ],
})

/** The number of times that readers were held. */
export const heldInstrument: MakeInstrument = instrumentOf<HeldEvent, { count: number }>({
  channel: 'shared-block-ring:held',
  labels,
  start: () => ({ count: 0 }),
  hear: (record) => {
    record.count++
  },
  metrics: [
    one(
      'counter',
      'reader_held_total',
      'How often maxUnacked kept a reader from delivering more.',
      ({ count }) => count,
    ),
  ],
})
