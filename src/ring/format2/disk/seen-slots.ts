import { headerText } from './block.ts'

/** The headers of slots as they were last read. Every write of a slot changes its generation and checksum. */
export class SeenSlots {
  #headers = ''

  /** @param bytes all four slots, as they are adjacent on the device */
  set(bytes: Uint8Array): void {
    this.#headers = headersOf(bytes)
  }

  /** True if the headers are unchanged. */
  isSame(bytes: Uint8Array): boolean {
    return headersOf(bytes) === this.#headers
  }
}

function headersOf(bytes: Uint8Array): string {
  const step = bytes.length / 4
  return [0, 1, 2, 3].map((slot) => headerText(bytes.subarray(slot * step))).join('')
}
