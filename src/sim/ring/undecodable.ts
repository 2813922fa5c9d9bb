import type { Codec } from '../../codec/codec.ts'
import { CodecError, isCodecError } from '../../errors.ts'
import type { RingEntry } from '../../ring/queue/entry.ts'
import { formatPosition, parsePosition } from '../../ring/shared/position-text.ts'
import { itemNumber } from './oracle.ts'

const NAME = 'an item that decodes'

/** True if an item is one of those that do not decode: one of `every`; 0: all decode. */
export function isUndecodable(item: Uint8Array, every: number): boolean {
  return every > 0 && itemNumber(item) % every === every - 1
}

/** Items as they are, but for some. */
export function decodingMost(every: number): Codec<Uint8Array> {
  return {
    name: NAME,
    encode: (item) => item,
    decode: (item) => {
      if (isUndecodable(item, every)) throw new Error(`one of ${every} is not`)
      return item
    },
  }
}

/**
 * An item that a reader could not decode, as an entry.
 * @throws any other error
 */
export function undecoded(error: unknown): RingEntry {
  if (!isCodecError(error)) throw error
  const { ack } = error
  const { position, bytes } = error.details
  if (ack === undefined || position === undefined || bytes === undefined) throw error
  return {
    ...{ item: bytes, position: parsePosition(position), storedBytes: bytes.length },
    ...{ pushedAt: undefined, number: undefined, ack },
  }
}

/** The error of such an entry, whose `ack` is the entry's. */
export function undecodable({ item, position, number, ack }: RingEntry): CodecError {
  const shown = formatPosition(position, number === undefined ? 1 : 2)
  const details = { codec: NAME, position: shown, bytes: item }
  const error = new CodecError('CODEC_DECODE', 'the item does not decode', details)
  error.ack = ack
  return error
}
