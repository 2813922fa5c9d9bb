import type { JournalEvent } from '../../journal/events.ts'
import { Histogram, LATENCIES } from '../histogram.ts'
import { each, instrumentOf, type MakeInstrument, one } from './instrument.ts'

interface JournalRecord {
  operations: number
  deadLetters: number
  ended: number
  readonly times: Histogram
  readonly retries: { perform: number; dead_letter: number }
}

/** Instruments of journals. */
export const journalInstrument: MakeInstrument = instrumentOf<JournalEvent, JournalRecord>({
  channel: 'shared-block-ring:journal',
  labels: { device: ({ device }) => device, journal: ({ journal }) => journal },
  start: () => ({
    ...{ operations: 0, deadLetters: 0, ended: 0, times: new Histogram(LATENCIES) },
    retries: { perform: 0, dead_letter: 0 },
  }),
  hear: (record, event) => {
    switch (event.event) {
      case 'performed':
        record.operations += event.operations
        record.times.observeMs(event.durationMs)
        break
      case 'retried':
        record.retries[event.what === 'perform' ? 'perform' : 'dead_letter']++
        break
      case 'deadLettered':
        record.deadLetters++
        break
      case 'ended':
        if (event.error.code !== 'JOURNAL_CLOSED') record.ended++
    }
  },
  metrics: [
    one(
      'counter',
      'journal_operations_total',
      'Operations performed.',
      (record) => record.operations,
    ),
    one(
      'histogram',
      'journal_perform_seconds',
      'Time of a call of perform that succeeded.',
      ({ times }) => times,
    ),
    each(
      'counter',
      'journal_retries_total',
      'What failed and is tried again after a pause.',
      'what',
      (record) => record.retries,
    ),
    one(
      'counter',
      'journal_dead_letters_total',
      'Operations given up.',
      (record) => record.deadLetters,
    ),
    one(
      'counter',
      'journal_ends_total',
      'Journals that ended by themselves.',
      ({ ended }) => ended,
    ),
  ],
})
