import { RingError } from '../../../errors.ts'
import type { Position } from '../../../position.ts'
import { toText } from '../position.ts'

/** The slots and the log contradict each other, so the content of a position is unknown. */
export function contradiction(device: string, position: Position): RingError {
  return new RingError(
    'RING_CORRUPT',
    `The slots of ${device} contradict the log at position ${toText(position)}: one of them is damaged, though ` +
      'its checksum holds',
    {
      device,
      position: toText(position),
      field: 'log',
      expected: 'slots and log to agree',
      found: 'a contradiction',
    },
  )
}
