import type { RingInspection } from '../../ring/inspection.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'

type Shown<Side> = Omit<Side, 'position'> & { readonly position: string }

/** The state of both roles, with positions as text. */
export function shownRoles({ format, producer, consumer }: RingInspection): {
  readonly producer: Shown<RingInspection['producer']>
  readonly consumer: Shown<RingInspection['consumer']>
} {
  return {
    producer: { ...producer, position: formatPosition(producer.position, format) },
    consumer: { ...consumer, position: formatPosition(consumer.position, format) },
  }
}
