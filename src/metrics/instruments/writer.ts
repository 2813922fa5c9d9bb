import type { WriterEvent } from '../../ring/queue/events.ts'
import { Histogram, ITEMS, LATENCIES } from '../histogram.ts'
import { each, instrumentOf, type MakeInstrument, one } from './instrument.ts'

interface WriterRecord {
  open: number
  commits: number
  items: number
  bytes: number
  queuedBytes: number | undefined
  failures: number
  overloaded: number
  isBlocked: boolean
  readonly blocked: { full: number; suspended: number }
  readonly wakes: { hint: number; call: number; poll: number }
  readonly commitItems: Histogram
  readonly commitTimes: Histogram
  readonly pushTimes: Histogram
}

/** Instruments of running writers. */
export const writerInstrument: MakeInstrument = instrumentOf<WriterEvent, WriterRecord>({
  channel: 'shared-block-ring:writer',
  labels: {
    device: ({ device }) => device,
    queue: ({ queue }) => queue,
    client: ({ client }) => client,
  },
  start: () => ({
    ...{ open: 0, commits: 0, items: 0, bytes: 0, queuedBytes: undefined, failures: 0 },
    ...{ overloaded: 0, isBlocked: false },
    blocked: { full: 0, suspended: 0 },
    wakes: { hint: 0, call: 0, poll: 0 },
    commitItems: new Histogram(ITEMS),
    commitTimes: new Histogram(LATENCIES),
    pushTimes: new Histogram(LATENCIES),
  }),
  hear: (record, event) => {
    // One that was opened before anybody listened is open too.
    record.open = event.event === 'closed' ? 0 : 1
    switch (event.event) {
      case 'committed':
        record.commits++
        record.items += event.items
        record.bytes += event.bytes
        record.queuedBytes = event.queuedBytes
        record.isBlocked = false
        record.commitItems.observe(event.items)
        record.commitTimes.observeMs(event.durationMs)
        for (const { count, waitedMs } of event.pushes) record.pushTimes.observeMs(waitedMs, count)
        break
      case 'blocked':
        record.isBlocked = true
        record.blocked[event.reason]++
        break
      case 'overloaded':
        record.overloaded += event.items
        break
      case 'failed':
        record.failures++
        break
      case 'woken':
        record.wakes[event.by]++
        break
      case 'closed':
        record.isBlocked = false
        record.queuedBytes = undefined
    }
  },
  metrics: [
    one('gauge', 'writer_open', 'Whether a writer is open.', ({ open }) => open),
    one('counter', 'writer_commits_total', 'Commits.', ({ commits }) => commits),
    one('counter', 'writer_items_total', 'Items committed.', ({ items }) => items),
    one('counter', 'writer_bytes_total', 'Bytes of these.', ({ bytes }) => bytes),
    one('histogram', 'writer_commit_items', 'Items of a commit.', (record) => record.commitItems),
    one('histogram', 'writer_commit_seconds', 'Time of a commit.', (record) => record.commitTimes),
    one(
      'histogram',
      'writer_push_seconds',
      'Time of a push, from when its item was encoded until it is durable.',
      (record) => record.pushTimes,
    ),
    one(
      'gauge',
      'writer_queued_bytes',
      'Bytes that waited in memory after the last commit.',
      ({ queuedBytes }) => queuedBytes,
    ),
    one(
      'gauge',
      'writer_blocked',
      'Whether the last refresh found no room, or a suspended ring.',
      (record) => Number(record.isBlocked),
    ),
    each(
      'counter',
      'writer_blocked_total',
      'How often a writer found no room, or the ring suspended.',
      'reason',
      ({ blocked }) => blocked,
    ),
    one(
      'counter',
      'writer_overloaded_items_total',
      'Items refused with RING_OVERLOADED.',
      ({ overloaded }) => overloaded,
    ),
    one('counter', 'writer_failures_total', 'Commits that failed.', ({ failures }) => failures),
    each(
      'counter',
      'writer_wakeups_total',
      'What ended pauses of a writer.',
      'by',
      ({ wakes }) => wakes,
    ),
  ],
})
