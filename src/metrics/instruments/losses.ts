import type { CorrectionEvent } from '../../ring/format2/log/correction.ts'
import type { DamageEvent } from '../../ring/shared/damage.ts'
import { instrumentOf, type MakeInstrument, one } from './instrument.ts'

/** Damage that consumers skip. */
export const damageInstrument: MakeInstrument = instrumentOf<DamageEvent, { items: number }>({
  channel: 'shared-block-ring:damage',
  labels: { device: ({ device }) => device },
  start: () => ({ items: 0 }),
  hear: (record, { items }) => {
    record.items += items
  },
  metrics: [
    one(
      'counter',
      'consumer_damaged_items_total',
      'Damaged items that a consumer of this process skipped.',
      ({ items }) => items,
    ),
  ],
})

/** Bits that were corrected. */
export const correctionInstrument: MakeInstrument = instrumentOf<CorrectionEvent, { bits: number }>(
  {
    channel: 'shared-block-ring:correction',
    labels: { device: ({ device }) => device },
    start: () => ({ bits: 0 }),
    hear: (record) => {
      record.bits++
    },
    metrics: [
      one(
        'counter',
        'corrected_bits_total',
        'Flipped bits that were corrected.',
        ({ bits }) => bits,
      ),
    ],
  },
)
