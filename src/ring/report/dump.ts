import type { Clock } from '../../clock.ts'
import type { ByteRange } from '../types.ts'

/** Options of `dumpAt`. */
export interface DumpOptions {
  /** Bytes to dump. Default 256; fewer at the end of the device. */
  readonly length?: number
  /** Ends the dump with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

/** A field of a structure on a device. */
export interface RingDumpField {
  /** Its name, as in FORMAT.md. */
  readonly name: string
  /** Its offset on the device, in bytes. */
  readonly offset: number
  /** Its length. */
  readonly bytes: number
  /** Its value, as text. */
  readonly value: string
}

/** The structure at an offset of a device. */
export interface RingStructure {
  /** Such as `producer slot 2`, `item 3 of the batch at LSN 17`, or `free`. */
  readonly structure: string
  /** Its offset on the device, in bytes. */
  readonly start: number
  /** Its length in bytes, including a part that wraps around to the beginning of the data area. */
  readonly length: number
  /** The reason why it is invalid; absent if it is valid, or if that is unknown. */
  readonly problem?: string
  /** Its fields, in the order of their offsets. */
  readonly fields: readonly RingDumpField[]
}

/** The result of `dumpAt`. */
export interface RingDump extends RingStructure {
  /** The format’s number. */
  readonly format: 1 | 2
  /** Offset of the dumped bytes. */
  readonly offset: number
  /** The dumped bytes. */
  readonly bytes: Uint8Array
  /** The unreadable parts of these bytes, shown as zeroes. */
  readonly unreadable: readonly ByteRange[]
}

/** The ways to show the bytes of a field. */
export type FieldKind = 'number' | 'signed' | 'hex' | 'text'

/** A field of a structure: name, offset in the structure, length, and the way to show it. */
export type FieldSpec = readonly [
  name: string,
  at: number,
  bytes: number,
  kind?: FieldKind | undefined,
]

/** Decodes fields, except those beyond the end of the bytes. All numbers are little-endian. */
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
