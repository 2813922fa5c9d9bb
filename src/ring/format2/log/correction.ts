/** Published on `shared-block-ring:correction` when a flipped bit was corrected while reading. */
export interface CorrectionEvent {
  readonly device: string
  /** The byte, counted from the device's start, and the bit in it (0 is the lowest). */
  readonly offset: number
  readonly bit: number
}
