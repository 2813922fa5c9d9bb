/** Bytes that the function takes in one step, each through a table of its own. */
export const SLICES = 16
/** Bytes of a unit, which is what one instruction moves. */
const UNIT = 16
/**
 * A unit may be left out if it is added (xor) to those that come so many units later: the eight together are a multiple of the
 * polynomial, x^(128 * 79) + x^(128 * 75) + ... + x^128 + 1, and leave no remainder. Found by trying; multiples with fewer terms
 * reach much further, and none is nearer than four units, so that no step waits for the one before.
 */
const LATER_UNITS = [4, 8, 21, 61, 67, 78, 79] as const
/** Bytes of a unit and all that it is added to. */
const REACH = (1 + Math.max(...LATER_UNITS)) * UNIT
/** Bytes of a table: 256 words. */
const TABLE_BYTES = 1024
/** The memory: one page, which stays in the processor's cache. */
const PAGES = 1
/** Where the tables are, at the memory's end. */
const TABLES_AT: number = (PAGES << 16) - SLICES * TABLE_BYTES

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
const FIRST = 4

/** As much of WebAssembly as is used here: no library that we build with declares it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => object
  readonly Instance: new (module: object) => { readonly exports: object }
}

interface Exports {
  readonly m: { readonly buffer: ArrayBuffer }
  readonly f: Crc['update']
}

/** The update of checksums, without the inversions before and after. */
export interface Crc {
  /** What is to be checked is copied here. */
  readonly memory: Uint8Array
  /** Goes on with a checksum over the bytes of `memory` from `at` up to `end`; numbers are signed. */
  readonly update: (at: number, end: number, crc: number) => number
}

/**
 * Makes it of WebAssembly, which is many times as fast as JavaScript, also with the copying.
 * @param tables one for each slice: what a byte does to the checksum, so many bytes before the end of a step
 * @returns undefined where there is no WebAssembly, or it is not allowed
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
    return { memory: new Uint8Array(m.buffer, 0, TABLES_AT), update: f }
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
    ...section(10, [1, ...sized([2, 1, I32, 1, V128, ...makeBody()])]),
  ])
}

/**
 * (at, last, crc) => {
 *   if (last - at >= REACH) { the first four bytes at `at` ^= crc; crc = 0 }
 *   while (last - at >= REACH) { each of LATER_UNITS from `at` ^= the unit at `at`; at += 16 }
 *   while (last - at >= 16) { crc = the xor of a table's word for each of 16 bytes, crc being in the first four; at += 16 }
 *   while (at < last) crc = table0[(crc ^ *at++) & 255] ^ (crc >>> 8)
 *   return crc
 * }
 */
function makeBody(): number[] {
  const step = [LOCAL_GET, AT, ...constant(SLICES), I32_ADD]
  // The word that depends on the step before comes last, so that the processor has the others by then.
  const words = [12, 8, 4, 0].flatMap((offset) => [
    ...[LOCAL_GET, AT, I32_LOAD, 0, ...leb(offset)],
    ...(offset === 0 ? [LOCAL_GET, CRC, I32_XOR] : []),
    ...[LOCAL_SET, WORD],
    ...[0, 8, 16, 24].flatMap((shift) => [
      ...lookUp(SLICES - 1 - offset - shift / 8, [LOCAL_GET, WORD], shift),
      ...(offset === 12 && shift === 0 ? [] : [I32_XOR]),
    ]),
  ])
  const isShort = [LOCAL_GET, AT, ...constant(REACH), I32_ADD, LOCAL_GET, LAST, I32_GT_U]
  const putCrc = [
    ...[LOCAL_GET, AT, LOCAL_GET, AT, I32_LOAD, 0, 0, LOCAL_GET, CRC, I32_XOR, I32_STORE, 0, 0],
    ...[...constant(0), LOCAL_SET, CRC],
  ]
  const leaveOut = [
    ...[LOCAL_GET, AT, ...V128_LOAD, 0, 0, LOCAL_SET, FIRST],
    ...LATER_UNITS.flatMap((units) => [
      ...[LOCAL_GET, AT, LOCAL_GET, AT, ...V128_LOAD, 0, ...leb(units * UNIT)],
      ...[LOCAL_GET, FIRST, ...V128_XOR, ...V128_STORE, 0, ...leb(units * UNIT)],
    ]),
  ]
  const byte = [LOCAL_GET, CRC, LOCAL_GET, AT, I32_LOAD8_U, 0, 0, I32_XOR]
  return [
    ...[BLOCK, NO_RESULT, ...isShort, BR_IF, 0, ...putCrc, END],
    ...repeat(isShort, [...leaveOut, ...step, LOCAL_SET, AT]),
    ...repeat(
      [...step, LOCAL_GET, LAST, I32_GT_U],
      [...words, LOCAL_SET, CRC, ...step, LOCAL_SET, AT],
    ),
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

/** A table's word for the byte of an index that begins at bit `shift`. */
function lookUp(table: number, index: readonly number[], shift: number): number[] {
  // Words have four bytes: the index is wanted two bits further up.
  const shifted = shift === 0 ? [...constant(2), I32_SHL] : [...constant(shift - 2), I32_SHR_U]
  const at = [...index, ...shifted, ...constant(0xff << 2), I32_AND]
  return [...at, I32_LOAD, 2, ...leb(TABLES_AT + table * TABLE_BYTES)]
}

/** Does something until a condition holds. */
function repeat(until: readonly number[], what: readonly number[]): number[] {
  return [BLOCK, NO_RESULT, LOOP, NO_RESULT, ...until, BR_IF, 1, ...what, BR, 0, END, END]
}

function constant(value: number): number[] {
  // Signed, so that the seventh bit would be taken for the sign.
  return [I32_CONST, ...(value < 64 ? [value] : [(value & 0x7f) | 0x80, value >> 7])]
}

/** An unsigned number as WebAssembly writes it: seven bits a byte, the lowest first. */
function leb(value: number): number[] {
  return value < 128 ? [value] : [(value & 0x7f) | 0x80, ...leb(value >> 7)]
}

function section(id: number, content: readonly number[]): number[] {
  return [id, ...sized(content)]
}

function sized(content: readonly number[]): number[] {
  return [...leb(content.length), ...content]
}
