import { CommandError, EXIT } from '../errors.ts'

/** Splits input that arrives in pieces into items. It buffers at most one item. */
export interface ItemSplitter {
  /**
   * Appends the items that are complete with this piece.
   * @throws {CommandError} the input is invalid; the items before it were appended
   */
  feed(chunk: Uint8Array, items: Uint8Array[]): void
  /** As `feed`, at the end of the input. */
  end(items: Uint8Array[]): void
}

/** The input has an item that exceeds the limit. */
export function tooLarge(found: string, maxBytes: number): CommandError {
  const message = `an item may have ${maxBytes} bytes, this one has ${found}`
  const details = { expected: `at most ${maxBytes} bytes`, found }
  return new CommandError(EXIT.fault, 'RING_ITEM_TOO_LARGE', message, details)
}
