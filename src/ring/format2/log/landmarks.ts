import type { LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'

/**
 * The places where the producer's slots know that a batch begins: where epochs begin, and the one up to which all is committed.
 * Ascending; of several with the same LSN the last one counts.
 */
export type Landmarks = readonly [LogPosition, ...LogPosition[]]

export function landmarksOf({ epochs, committed }: ProducerSlot): Landmarks {
  const [first = committed, ...others] = [...epochs.map(({ start }) => start), committed]
  return [first, ...others]
}

/** What is known of a place that batches lead to; behind all that are known, the last one. */
export function landmarkAt(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const last = landmarks.at(-1)
  if (last !== undefined && lsn >= last.lsn) return last
  return landmarks.findLast((logPosition) => logPosition.lsn === lsn)
}

/** The next known place behind one; undefined if there is none, so that nobody knows whether more is complete. */
export function nextLandmark(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const next = landmarks.find((logPosition) => logPosition.lsn > lsn)
  return next && landmarks.findLast((logPosition) => logPosition.lsn === next.lsn)
}
