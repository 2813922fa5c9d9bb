import { headerText } from './block.ts'

/** What slots looked like when they were read. Who writes one changes its header, which has a generation and a checksum. */
export class SeenSlots {
  #headers = ''

  /** @param bytes all four slots, as they lie next to each other */
  set(bytes: Uint8Array): void {
    this.#headers = headersOf(bytes)
  }

  /** Whether they look the same. */
  isSame(bytes: Uint8Array): boolean {
    return headersOf(bytes) === this.#headers
  }
}

function headersOf(bytes: Uint8Array): string {
  const step = bytes.length / 4
  return [0, 1, 2, 3].map((slot) => headerText(bytes.subarray(slot * step))).join('')
}
