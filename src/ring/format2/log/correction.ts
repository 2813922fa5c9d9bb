/** Published on `shared-block-ring:correction` when a flipped bit was corrected while reading. */
export interface CorrectionEvent {
  /** The device's `name`. */
  readonly device: string
  /** The byte, counted from the device's start. */
  readonly offset: number
  /** The bit in it; 0 is the lowest. */
  readonly bit: number
}
