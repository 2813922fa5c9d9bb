import type { WorkEvent } from '../../ring/queue/process/types.ts'
import { Histogram, LATENCIES } from '../histogram.ts'
import { each, instrumentOf, type MakeInstrument } from './instrument.ts'

interface WorkRecord {
  readonly times: { ok: Histogram; error: Histogram }
  readonly items: {
    handled: number
    dead_letter: number
    requeued: number
    skipped: number
    overwritten: number
  }
  readonly retries: Record<Extract<WorkEvent, { readonly event: 'retried' }>['what'], number>
}

/** Instruments of handlers. */
export const workInstrument: MakeInstrument = instrumentOf<WorkEvent, WorkRecord>({
  channel: 'shared-block-ring:work',
  labels: {
    device: ({ device }) => device,
    queue: ({ queue }) => queue,
    client: ({ client }) => client,
  },
  start: () => ({
    times: { ok: new Histogram(LATENCIES), error: new Histogram(LATENCIES) },
    items: { handled: 0, dead_letter: 0, requeued: 0, skipped: 0, overwritten: 0 },
    retries: { handler: 0, deadLetter: 0, requeue: 0, attemptStore: 0 },
  }),
  hear: ({ times, items, retries }, event) => {
    switch (event.event) {
      case 'handled':
        for (const { count, durationMs } of event.succeeded) times.ok.observeMs(durationMs, count)
        items.handled += event.entries.length
        break
      case 'failed':
        times.error.observeMs(event.durationMs)
        break
      case 'retried':
        retries[event.what]++
        break
      case 'deadLettered':
        items.dead_letter++
        break
      case 'requeued':
        items.requeued++
        break
      case 'skipped':
        items.skipped++
        break
      case 'overwritten':
        items.overwritten++
    }
  },
  metrics: [
    each(
      'histogram',
      'handler_seconds',
      'Time of an attempt to handle an item; its count is that of the attempts.',
      'outcome',
      ({ times }) => times,
    ),
    each(
      'counter',
      'handler_items_total',
      'What became of items: each is acknowledged.',
      'outcome',
      ({ items }) => items,
    ),
    each(
      'counter',
      'handler_retries_total',
      'What failed and is tried again after a pause.',
      'what',
      ({ retries: { handler, deadLetter, requeue, attemptStore } }) => ({
        ...{ handler, requeue, dead_letter: deadLetter, attempt_store: attemptStore },
      }),
    ),
  ],
})
