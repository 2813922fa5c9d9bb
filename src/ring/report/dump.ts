import type { Clock } from '../../clock.ts'
import type { ByteRange } from '../types.ts'

/** Options of `dumpAt`. */
export interface DumpOptions {
  /** Bytes to dump. Default 256; fewer at the end of the device. */
  readonly length?: number
  /** Ends it with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** A field of a structure on a device. */
export interface RingDumpField {
  /** Its name, as in FORMAT.md. */
  readonly name: string
  /** Where it is, in bytes from the device's start. */
  readonly offset: number
  /** Its length. */
  readonly bytes: number
  /** For people. */
  readonly value: string
}

/** What is at an offset of a device. */
export interface RingStructure {
  /** Such as `producer slot 2`, `item 3 of the batch at LSN 17`, or `free`. */
  readonly structure: string
  /** Where it begins, in bytes from the device's start. */
  readonly start: number
  /** Its length in bytes, with the part that wraps around to the beginning of the data area. */
  readonly length: number
  /** Why it is invalid; absent if it is valid, or if that is unknown. */
  readonly problem?: string
  /** Its fields, in the order of their offsets; none if it has none. */
  readonly fields: readonly RingDumpField[]
}

/** What `dumpAt` returns. */
export interface RingDump extends RingStructure {
  /** The format’s number. */
  readonly format: 1 | 2
  /** Where the dumped bytes are. */
  readonly offset: number
  /** The dumped bytes. */
  readonly bytes: Uint8Array
  /** The unreadable ones of these bytes, shown as zeroes. */
  readonly unreadable: readonly ByteRange[]
}

/** How the bytes of a field are shown. */
export type FieldKind = 'number' | 'signed' | 'hex' | 'text'

/** A field of a structure: name, offset in the structure, length, and how it is shown. */
export type FieldSpec = readonly [
  name: string,
  at: number,
  bytes: number,
  kind?: FieldKind | undefined,
]

/** Decodes fields; those beyond the end of the bytes are left out. All numbers are little-endian. */
export function decodeFields(
  bytes: Uint8Array,
  start: number,
  specs: readonly FieldSpec[],
): readonly RingDumpField[] {
  return specs
    .filter(([, at, length]) => at + length <= bytes.length)
    .map(([name, at, length, kind = 'number']) => ({
      name,
      offset: start + at,
      bytes: length,
      value: show(bytes.subarray(at, at + length), kind),
    }))
}

function show(bytes: Uint8Array, kind: FieldKind): string {
  if (kind === 'text')
    return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes).replace(/\0+$/, '')
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0'))
  if (kind === 'hex') return hex.join('')
  const value = BigInt(`0x${hex.reverse().join('')}`)
  return String(kind === 'signed' ? BigInt.asIntN(8 * bytes.length, value) : value)
}
