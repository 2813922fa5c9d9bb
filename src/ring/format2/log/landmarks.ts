import type { LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'

/**
 * The log positions where, by the producer's slots, a batch begins: where epochs begin, and the last checkpoint. Ascending; of
 * several with the same LSN the last one counts.
 */
export type Landmarks = readonly [LogPosition, ...LogPosition[]]

export function landmarksOf({ epochs, committed }: ProducerSlot): Landmarks {
  const [first = committed, ...others] = [...epochs.map(({ start }) => start), committed]
  return [first, ...others]
}

/** The landmark at an LSN, which the batches before it have to reach; after all landmarks, the last one. */
export function landmarkAt(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const last = landmarks.at(-1)
  if (last !== undefined && lsn >= last.lsn) return last
  return landmarks.findLast((logPosition) => logPosition.lsn === lsn)
}

/** The next landmark after an LSN; undefined if there is none, so that nothing says whether more is committed. */
export function nextLandmark(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const next = landmarks.find((logPosition) => logPosition.lsn > lsn)
  return next && landmarks.findLast((logPosition) => logPosition.lsn === next.lsn)
}
