import type { FieldKind, FieldSpec } from '../../report/dump.ts'
import { getU64, putTime, putU64 } from './bytes.ts'

// Each field of a block has its offset in one table, which is used to encode, parse and dump it:
//
//   const CURSOR = struct({
//     logPosition: field('cursor', 72, logPosition),
//     index: field('index in the batch', 104, u32),
//   })

/** The representation of a value in bytes. */
export interface Kind<T> {
  readonly bytes: number
  put(view: DataView, at: number, value: T): void
  get(view: DataView, at: number): T
  /** The fields that a dump shows for it. */
  shown(name: string, at: number): readonly FieldSpec[]
}

/** A field of a block: its name in a dump, its offset, and its kind. */
export interface Field<T> {
  readonly name: string
  readonly at: number
  readonly kind: Kind<T>
}

export function field<T>(name: string, at: number, kind: Kind<T>): Field<T> {
  return { name, at, kind }
}

/** The fields of a table, by name. */
export type Fields = Readonly<Record<string, Field<unknown>>>

/** The values of a table's fields. */
type Values<F extends Fields> = {
  readonly [Key in keyof F]: F[Key] extends Field<infer T> ? T : never
}

/** Fields that are written and read together. `from` is the offset of a structure that shares its block. */
export interface Struct<F extends Fields> {
  readonly fields: F
  put(view: DataView, values: Values<F>, from?: number): void
  get(view: DataView, from?: number): Values<F>
}

export function struct<F extends Fields>(fields: F): Struct<F> {
  const keys = Object.keys(fields)
  const all = Object.values(fields)
  return {
    fields,
    put: (view, values, from = 0) => {
      for (let index = 0; index < all.length; index++) {
        const { at, kind } = all[index] as Field<unknown>
        kind.put(view, from + at, values[keys[index] as string])
      }
    },
    get: (view, from = 0) => {
      const values: Record<string, unknown> = {}
      for (let index = 0; index < all.length; index++) {
        const { at, kind } = all[index] as Field<unknown>
        values[keys[index] as string] = kind.get(view, from + at)
      }
      return values as Values<F>
    },
  }
}

/** The fields of a block's tables, for a dump, in the order of their bytes. */
export function shownFields(...structs: readonly Struct<Fields>[]): readonly FieldSpec[] {
  return structs.flatMap((each) => shownIn(each, '', 0)).sort(([, one], [, other]) => one - other)
}

/** The fields of a structure that shares its block, with the structure's name before each. */
export function shownIn(
  { fields }: Struct<Fields>,
  structure: string,
  from: number,
): readonly FieldSpec[] {
  return Object.values(fields).flatMap(({ name, at, kind }) =>
    kind.shown(`${structure} ${name}`.trim(), from + at),
  )
}

/** Uses a structure as a field of another one. */
export function nested<F extends Fields>(inner: Struct<F>, bytes: number): Kind<Values<F>> {
  return {
    bytes,
    put: (view, at, values) => inner.put(view, values, at),
    get: (view, at) => inner.get(view, at),
    shown: (name, at) => shownIn(inner, name, at),
  }
}

function simple<T>(
  bytes: number,
  put: Kind<T>['put'],
  get: Kind<T>['get'],
  shown?: FieldKind,
): Kind<T> {
  return { bytes, put, get, shown: (name, at) => [[name, at, bytes, shown]] }
}

export const u8: Kind<number> = simple(
  1,
  (view, at, value) => view.setUint8(at, value),
  (view, at) => view.getUint8(at),
)

export const u16: Kind<number> = simple(
  2,
  (view, at, value) => view.setUint16(at, value, true),
  (view, at) => view.getUint16(at, true),
)

export const u32: Kind<number> = simple(
  4,
  (view, at, value) => view.setUint32(at, value, true),
  (view, at) => view.getUint32(at, true),
)

/** NaN if it is not a safe integer. */
export const u64: Kind<number> = simple(8, putU64, getU64)

/** Milliseconds since 1970; see `putTime`. */
export const timestamp: Kind<number> = simple(8, putTime, getU64)

/** A byte that is 1 or 0. */
export const flag: Kind<boolean> = simple(
  1,
  (view, at, value) => view.setUint8(at, value ? 1 : 0),
  (view, at) => view.getUint8(at) === 1,
)

/** Raw bytes. Reading copies them; writing fewer leaves the rest unchanged. */
export function raw(length: number, shown: FieldKind): Kind<Uint8Array> {
  return simple(
    length,
    (view, at, value) => bytesOf(view, at, length).set(value),
    (view, at) => bytesOf(view, at, length).slice(),
    shown,
  )
}

/** The same kind with another representation in dumps. */
export function shownAs<T>(shown: FieldKind, { bytes, put, get }: Kind<T>): Kind<T> {
  return simple(bytes, put, get, shown)
}

const encoder = new TextEncoder()
// A name may begin with any character, a byte order mark included.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** UTF-8, truncated after a whole character, with its length in another field. */
export function utf8(bytes: number, lengthAt: number): Kind<string> {
  return {
    bytes,
    put: (view, at, value) => {
      const { written } = encoder.encodeInto(value, bytesOf(view, at, bytes))
      u16.put(view, lengthAt, written)
    },
    get: (view, at) => {
      const length = Math.min(u16.get(view, lengthAt), bytes)
      return decoder.decode(bytesOf(view, at, length))
    },
    shown: (name, at) => [
      [`${name} length`, lengthAt, u16.bytes],
      [name, at, bytes, 'text'],
    ],
  }
}

function bytesOf(view: DataView, at: number, length: number): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset + at, length)
}
