/** Bytes that the function processes per step, each through its own table. */
export const SLICES = 16
/** Bytes of a unit, which one instruction moves. */
const UNIT = 16
/**
 * A unit can be removed by adding it (xor) to the bytes at five fixed distances after it: together the six are a
 * multiple of the polynomial, x^(8 * 290) + x^(8 * (290 - 154)) + ... + 1, and leave no remainder. Found by search;
 * multiples that reach less far have more terms, or one so near that a step waits for the one before.
 */
const LATER_BYTES = [154, 177, 183, 258, 290] as const
/** Bytes at the end that are never removed: whole units, and at least as many as the distances reach. */
const REACH = 304
/** With fewer bytes, removal takes longer than it saves. */
const MIN_BYTES = 400
/** Bytes of a table: 256 words. */
const TABLE_BYTES = 1024
/** The memory: small enough to stay in the processor’s second cache. */
const PAGES = 2
/** Offset of the tables, at the memory's end. */
const TABLES_AT: number = (PAGES << 16) - SLICES * TABLE_BYTES
/** Offset of the removed units. The bytes before it remain zero: nothing precedes the first unit. */
const LEFT_OUT_AT: number = TABLES_AT / 2

const I32 = 0x7f
const V128 = 0x7b
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const I32_LOAD = 0x28
const I32_LOAD8_U = 0x2d
const I32_STORE = 0x36
const I32_CONST = 0x41
const I32_GT_U = 0x4b
const I32_GE_U = 0x4f
const I32_ADD = 0x6a
const I32_AND = 0x71
const I32_XOR = 0x73
const I32_SHL = 0x74
const I32_SHR_U = 0x76
const BLOCK = 0x02
const LOOP = 0x03
const BR = 0x0c
const BR_IF = 0x0d
const NO_RESULT = 0x40
const END = 0x0b
const V128_LOAD = [0xfd, 0x00]
const V128_STORE = [0xfd, 0x0b]
const V128_XOR = [0xfd, 0x51]

/** Parameters and locals of the function. */
const AT = 0
const LAST = 1
const CRC = 2
const WORD = 3
const TO = 4
/** Never set, so zeroes. */
const ZERO = 5

/** The part of WebAssembly that is used here. No library of the build declares it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object) => { readonly exports: object }
}

interface Exports {
  readonly m: { readonly buffer: ArrayBuffer }
  readonly f: Crc['update']
}

/** Updates checksums, without the inversions before and after. */
export interface Crc {
  /** The bytes to check are copied here. */
  readonly memory: Uint8Array
  /** Continues a checksum over the bytes of `memory` from `at` up to `end`. Numbers are signed. */
  readonly update: (at: number, end: number, crc: number) => number
}

/**
 * Creates it with WebAssembly, which is many times as fast as JavaScript, even with the copying.
 * @param tables one for each slice: the effect of a byte on the checksum, by its distance from the end of a step
 * @returns undefined if there is no WebAssembly, or it is not allowed
 */
export function makeWasmCrc(tables: readonly Int32Array[]): Crc | undefined {
  try {
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(makeModule()))
    const { m, f } = exports as Exports
    const view = new DataView(m.buffer)
    tables.forEach((table, slice) => {
      table.forEach((crc, byte) => {
        view.setInt32(TABLES_AT + slice * TABLE_BYTES + byte * 4, crc, true)
      })
    })
    return { memory: new Uint8Array(m.buffer, 0, LEFT_OUT_AT - REACH), update: f }
  } catch {
    return undefined
  }
}

/** A module that exports its memory as `m` and the function as `f`. */
function makeModule(): Uint8Array<ArrayBuffer> {
  const name = (letter: string): number[] => [1, letter.charCodeAt(0)]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...section(1, [1, 0x60, 3, I32, I32, I32, 1, I32]),
    ...section(3, [1, 0]),
    ...section(5, [1, 1, PAGES, PAGES]),
    ...section(7, [2, ...name('m'), 2, 0, ...name('f'), 0, 0]),
    ...section(10, [1, ...sized([2, 2, I32, 1, V128, ...makeBody()])]),
  ])
}

/**
 * (at, last, crc) => {
 *   if (last - at >= MIN_BYTES) {
 *     the first four bytes at `at` ^= crc; crc = 0; to = LEFT_OUT_AT
 *     for (; last - at >= REACH + 16; at += 16, to += 16)
 *       the unit at `to` = that at `at` ^ those that begin LATER_BYTES before `to`
 *     for (word = at; last - at >= 16; at += 16, to += 16) { the unit at `to` = 0; that at `at` ^= those before `to` }
 *     at = word
 *   }
 *   for (; last - at >= 16; at += 16) crc = the xor of a table's word for each of 16 bytes, crc being in the first four
 *   while (at < last) crc = table0[(crc ^ *at++) & 255] ^ (crc >>> 8)
 *   return crc
 * }
 */
function makeBody(): number[] {
  const step = [LOCAL_GET, AT, ...constant(UNIT), I32_ADD]
  // The word that depends on the step before comes last, when the processor has the others.
  const words = [12, 8, 4, 0].flatMap((offset) => [
    ...[LOCAL_GET, AT, I32_LOAD, 0, ...leb(offset)],
    ...(offset === 0 ? [LOCAL_GET, CRC, I32_XOR] : []),
    ...[LOCAL_SET, WORD],
    ...[0, 8, 16, 24].flatMap((shift) => [
      ...lookUp(SLICES - 1 - offset - shift / 8, [LOCAL_GET, WORD], shift),
      ...(offset === 12 && shift === 0 ? [] : [I32_XOR]),
    ]),
  ])
  const isShort = (bytes: number): readonly number[] => [
    LOCAL_GET,
    AT,
    ...constant(bytes),
    I32_ADD,
    LOCAL_GET,
    LAST,
    I32_GT_U,
  ]
  // `to` is kept lower by this much, because offsets are not negative.
  const unit = [
    ...[LOCAL_GET, AT, ...V128_LOAD, 0, 0],
    ...LATER_BYTES.flatMap((bytes) => [
      ...[LOCAL_GET, TO, ...V128_LOAD, 0, ...leb(REACH - bytes), ...V128_XOR],
    ]),
  ]
  const put = [...V128_STORE, 0, ...leb(REACH)]
  const next = [...step, LOCAL_SET, AT, LOCAL_GET, TO, ...constant(UNIT), I32_ADD, LOCAL_SET, TO]
  const byte = [LOCAL_GET, CRC, LOCAL_GET, AT, I32_LOAD8_U, 0, 0, I32_XOR]
  return [
    ...[BLOCK, NO_RESULT, ...isShort(MIN_BYTES), BR_IF, 0],
    ...[LOCAL_GET, AT, LOCAL_GET, AT, I32_LOAD, 0, 0, LOCAL_GET, CRC, I32_XOR, I32_STORE, 0, 0],
    ...[...constant(0), LOCAL_SET, CRC, ...constant(LEFT_OUT_AT - REACH), LOCAL_SET, TO],
    ...repeat(isShort(REACH + UNIT), [LOCAL_GET, TO, ...unit, ...put, ...next]),
    ...[LOCAL_GET, AT, LOCAL_SET, WORD],
    ...repeat(isShort(UNIT), [
      ...[LOCAL_GET, TO, LOCAL_GET, ZERO, ...put],
      ...[LOCAL_GET, AT, ...unit, ...V128_STORE, 0, 0, ...next],
    ]),
    ...[LOCAL_GET, WORD, LOCAL_SET, AT, END],
    ...repeat(isShort(UNIT), [...words, LOCAL_SET, CRC, ...step, LOCAL_SET, AT]),
    ...repeat(
      [LOCAL_GET, AT, LOCAL_GET, LAST, I32_GE_U],
      [
        ...lookUp(0, byte, 0),
        ...[LOCAL_GET, CRC, ...constant(8), I32_SHR_U, I32_XOR, LOCAL_SET, CRC],
        ...[LOCAL_GET, AT, ...constant(1), I32_ADD, LOCAL_SET, AT],
      ],
    ),
    ...[LOCAL_GET, CRC, END],
  ]
}

/** Looks up a table's word for the byte of an index that begins at bit `shift`. */
function lookUp(table: number, index: readonly number[], shift: number): number[] {
  // Words have four bytes, so the index is needed two bits further up.
  const shifted = shift === 0 ? [...constant(2), I32_SHL] : [...constant(shift - 2), I32_SHR_U]
  const at = [...index, ...shifted, ...constant(0xff << 2), I32_AND]
  return [...at, I32_LOAD, 2, ...leb(TABLES_AT + table * TABLE_BYTES)]
}

/** Repeats instructions until a condition holds. */
function repeat(until: readonly number[], what: readonly number[]): number[] {
  return [BLOCK, NO_RESULT, LOOP, NO_RESULT, ...until, BR_IF, 1, ...what, BR, 0, END, END]
}

function constant(value: number): number[] {
  // Signed, so the seventh bit of the last byte would pass for the sign.
  return [I32_CONST, ...leb(value, 64)]
}

/** An unsigned number in WebAssembly's encoding: seven bits per byte, the lowest first. */
function leb(value: number, end = 128): number[] {
  return value < end ? [value] : [(value & 0x7f) | 0x80, ...leb(value >> 7, end)]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)]
}

function sized(content: readonly number[]): number[] {
  return [...leb(content.length), ...content]
}
