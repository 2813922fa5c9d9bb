import { CodecError } from '../errors.ts'

/** First bytes of wrapped items. UTF-8 never contains them, so neither text nor JSON passes for one. */
export const FIRST = { envelope: 0xf8, compressed: 0xf9, encrypted: 0xfa } as const

/** The kinds of wrapping. */
export type Wrapper = keyof typeof FIRST

const utf8 = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Text as UTF-8. */
export function utf8Of(text: string, what: string): Uint8Array {
  if (typeof text !== 'string')
    throw new TypeError(`${what}: expected a string, found ${typeof text}`)
  if (!text.isWellFormed()) {
    throw new TypeError(`${what}: expected well-formed Unicode, found a lone surrogate`)
  }
  return new TextEncoder().encode(text)
}

/** True for visible ASCII, which cannot be mistaken for other text in messages. */
export function isVisible(text: string): boolean {
  return /^[!-~]+$/.test(text)
}

/** Joins bytes. */
export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}

/** A whole number, little-endian. */
export function littleEndian(value: number, bytes: 2 | 4 | 8): Uint8Array {
  const encoded = new Uint8Array(8)
  new DataView(encoded.buffer).setBigUint64(0, BigInt(value), true)
  return encoded.subarray(0, bytes)
}

/** Reads a wrapped item from its start, and never past its end. */
export class WrappedReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #wrapper: Wrapper
  /** The second byte. */
  readonly version: number
  #at = 0

  /**
   * Reads the first two bytes.
   * @param versions known values of the second byte
   * @throws {TypeError} it is not wrapped this way
   * @throws {CodecError} `CODEC_UNSUPPORTED`
   */
  constructor(bytes: Uint8Array, wrapper: Wrapper, versions: readonly number[]) {
    this.#bytes = bytes
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#wrapper = wrapper
    const first = this.u8('first byte')
    if (first !== FIRST[wrapper])
      throw this.wrong(`expected ${hex(FIRST[wrapper])} first`, hex(first))
    this.version = this.u8('version')
    if (versions.includes(this.version)) return
    throw new CodecError(
      'CODEC_UNSUPPORTED',
      `version ${this.version} of '${wrapper}' is unknown here, which supports ${versions.join(', ')}; use a newer version of this package`,
      { codec: wrapper },
    )
  }

  /** The bytes read so far. */
  get read(): Uint8Array {
    return this.#bytes.subarray(0, this.#at)
  }

  /** The bytes not read yet. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#at)
  }

  u8(what: string): number {
    return this.#view.getUint8(this.#pass(1, what))
  }

  u16(what: string): number {
    return this.#view.getUint16(this.#pass(2, what), true)
  }

  u32(what: string): number {
    return this.#view.getUint32(this.#pass(4, what), true)
  }

  u64(what: string): bigint {
    return this.#view.getBigUint64(this.#pass(8, what), true)
  }

  bytes(length: number, what: string): Uint8Array {
    const start = this.#pass(length, what)
    return this.#bytes.subarray(start, start + length)
  }

  text(length: number, what: string): string {
    const encoded = this.bytes(length, what)
    try {
      return utf8.decode(encoded)
    } catch {
      throw this.wrong(`expected UTF-8 as the ${what}`, 'other bytes')
    }
  }

  /** The error for an invalid item. */
  wrong(expected: string, found: string): TypeError {
    return new TypeError(`invalid as '${this.#wrapper}': ${expected}, found ${found}`)
  }

  #pass(length: number, what: string): number {
    const start = this.#at
    const left = this.#bytes.length - start
    if (length > left) {
      throw this.wrong(`expected ${length} bytes of the ${what} at byte ${start}`, String(left))
    }
    this.#at += length
    return start
  }
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`
}
