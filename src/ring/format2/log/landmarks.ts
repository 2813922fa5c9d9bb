import type { LogPosition } from '../disk/log-position.ts'
import type { ProducerSlot } from '../disk/slots.ts'

/**
 * The log positions where a batch begins according to the producer's slots: the beginnings of epochs, and the last
 * checkpoint. Ascending; of several at one LSN, the last one counts.
 */
export type Landmarks = readonly [LogPosition, ...LogPosition[]]

export function landmarksOf({ epochs, committed }: ProducerSlot): Landmarks {
  const [first = committed, ...others] = [...epochs.map(({ start }) => start), committed]
  return [first, ...others]
}

/** The landmark at an LSN, which the batches before it must reach; after all landmarks, the last one. */
export function landmarkAt(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const last = landmarks.at(-1)
  if (last !== undefined && lsn >= last.lsn) return last
  return landmarks.findLast((logPosition) => logPosition.lsn === lsn)
}

/** The next landmark after an LSN; undefined after the last one: whether more is committed is then unknown. */
export function nextLandmark(landmarks: Landmarks, { lsn }: LogPosition): LogPosition | undefined {
  const next = landmarks.find((logPosition) => logPosition.lsn > lsn)
  return next && landmarks.findLast((logPosition) => logPosition.lsn === next.lsn)
}
