import { RingError } from '../../errors.ts'
import { roleText } from '../names.ts'
import type { Role } from '../roles.ts'
import { CONSUMER_SECTOR, isAligned, MAX_OFFSET, PRODUCER_SECTOR } from './layout.ts'
import { HEADER_BYTES } from './magic.ts'

/** Offset of the text in a pointer sector; below, its limit. */
export const TEXT_START = 128
export const TEXT_END = 512
export const OFFSET_AT = 0
/** Offset of the bool in a pointer sector. */
export const FLAG_AT = 8
const MIN_BYTES = 512
/** The representation of true. */
const TRUE = 1
const FALSE = 2

/** The differences between the two pointer sectors. */
export interface PointerKind {
  readonly role: Role
  readonly sector: number
  /** The name of the bool, also in the text. */
  readonly flag: 'suspend_ack' | 'suspend'
  /** Matches the fields at the end of the text, whatever names precede them. */
  readonly summary: RegExp
}

export const PRODUCER: PointerKind = {
  role: 'producer',
  sector: PRODUCER_SECTOR,
  flag: 'suspend_ack',
  summary: /; producer = -?\d{1,19}; suspend_ack = (?:true|false)$/,
}
export const CONSUMER: PointerKind = {
  role: 'consumer',
  sector: CONSUMER_SECTOR,
  flag: 'suspend',
  summary: /; consumer = -?\d{1,19}; suspend = (?:true|false)$/,
}

/** The content of a pointer sector. */
export interface Pointer {
  /** A byte count that only grows. */
  readonly offset: bigint
  readonly flag: boolean
}

/** A pointer as read, with the verdict of its text. */
export interface ParsedPointer extends Pointer {
  /** The text as stored, without trailing zeroes; empty before the first write after `create`. */
  readonly text: string
  /**
   * `yes` if the text repeats the fields, which is the format's only redundancy against a torn read. `absent` if the
   * sector has no text, a text that was cut, or another program's.
   */
  readonly confirmed: 'yes' | 'no' | 'absent'
}

function corrupt(
  kind: PointerKind,
  device: string,
  field: string,
  expected: string,
  found: string,
  message: string,
): RingError {
  return new RingError(
    'RING_CORRUPT',
    `${message}: sector ${kind.sector} of ${device}, field ${field}: expected ${expected}, found ${found}`,
    { device, sector: kind.sector, field, expected, found },
  )
}

/** The text that `strings` shows to people, byte for byte as the original writes it. */
function describe(kind: PointerKind, pointer: Pointer, queue: string, client: string): string {
  return `${roleText({ queue, client })}; ${summary(kind, pointer.offset, pointer.flag)}`
}

function summary(kind: PointerKind, offset: bigint, flag: boolean): string {
  return `${kind.role} = ${offset}; ${kind.flag} = ${flag}`
}

/** Encodes a pointer into `sector`, filling all of it. */
export function encodePointer(
  sector: Uint8Array,
  kind: PointerKind,
  pointer: Pointer,
  queue: string,
  client: string,
): void {
  const text = new TextEncoder().encode(describe(kind, pointer, queue, client))
  encodeFreshPointer(sector)
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength)
  view.setBigInt64(OFFSET_AT, pointer.offset, true)
  view.setUint8(FLAG_AT, pointer.flag ? TRUE : FALSE)
  sector.set(text.subarray(0, TEXT_END - TEXT_START), TEXT_START)
}

/** Encodes the pointer of a new ring: zero, false and no text. */
export function encodeFreshPointer(sector: Uint8Array): void {
  sector.fill(0)
  sector[FLAG_AT] = FALSE
}

/** True if the sector is as `create` wrote it. */
export function isFreshPointer(sector: Uint8Array): boolean {
  return sector.every((byte, at) => byte === (at === FLAG_AT ? FALSE : 0))
}

/**
 * Parses a pointer sector, and validates each field by itself.
 * @throws {RingError} `RING_CORRUPT`
 */
export function parsePointer(sector: Uint8Array, kind: PointerKind, device: string): ParsedPointer {
  const view = new DataView(sector.buffer, sector.byteOffset, sector.byteLength)
  const offset = view.getBigInt64(OFFSET_AT, true)
  const byte = view.getUint8(FLAG_AT)
  if (byte !== TRUE && byte !== FALSE) {
    const message = `Failed to unmarshal a bool: ${byte}`
    throw corrupt(kind, device, kind.flag, `${TRUE} (true) or ${FALSE} (false)`, `${byte}`, message)
  }
  if (offset < 0n || offset >= MAX_OFFSET) {
    const message = `The ${kind.role} offset is out of range`
    throw corrupt(kind, device, kind.role, `0 to ${MAX_OFFSET - 1n}`, `${offset}`, message)
  }
  if (!isAligned(offset)) {
    const message = `The ${kind.role} offset is not aligned`
    throw corrupt(kind, device, kind.role, `a multiple of ${HEADER_BYTES}`, `${offset}`, message)
  }
  const flag = byte === TRUE
  const { text, whole } = decodeText(sector)
  return { offset, flag, text, confirmed: confirm(kind, offset, flag, text, whole) }
}

/** True if a sector looks like a written pointer, or that of a new ring. */
export function isPointer(sector: Uint8Array, kind: PointerKind): boolean {
  if (sector.length < MIN_BYTES) return false
  if (isFreshPointer(sector)) return true
  return decodeText(sector).text.includes(`; ${kind.role} = `) && sector[FLAG_AT] !== 0
}

/**
 * @throws {RingError} `RING_CORRUPT`: the text contradicts the fields, so one of them is damaged
 */
export function contradiction(
  pointer: ParsedPointer,
  kind: PointerKind,
  device: string,
): RingError {
  const found = JSON.stringify(pointer.text)
  const message = `The ${kind.role} sector contradicts itself`
  const expected = `a text that ends in '${summary(kind, pointer.offset, pointer.flag)}'`
  return corrupt(kind, device, 'text', expected, found, message)
}

/**
 * Checks the two pointers against each other and the ring's size.
 * @throws {RingError} `RING_CORRUPT`
 */
export function checkPointers(
  producer: bigint,
  consumer: bigint,
  dataBytes: number,
  device: string,
): void {
  if (consumer > producer) {
    const message = 'The producer is behind the consumer'
    throw corrupt(
      PRODUCER,
      device,
      'producer',
      `at least the consumer's ${consumer}`,
      `${producer}`,
      message,
    )
  }
  if (producer - consumer > BigInt(dataBytes)) {
    const message = 'There is more between the pointers than the ring can hold'
    const expected = `at most ${dataBytes} bytes after the consumer's ${consumer}`
    throw corrupt(PRODUCER, device, 'producer', expected, `${producer}`, message)
  }
}

function decodeText(sector: Uint8Array): { text: string; whole: boolean } {
  const area = sector.subarray(TEXT_START, Math.min(sector.length, TEXT_END))
  let length = area.length
  while (length > 0 && area[length - 1] === 0) length--
  // A text that fills its area may have been cut anywhere, so its end proves nothing.
  return {
    text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(area.subarray(0, length)),
    whole: length < area.length,
  }
}

function confirm(
  kind: PointerKind,
  offset: bigint,
  flag: boolean,
  text: string,
  whole: boolean,
): ParsedPointer['confirmed'] {
  const stated = whole ? text.match(kind.summary) : null
  if (stated === null) return 'absent'
  return stated[0] === `; ${summary(kind, offset, flag)}` ? 'yes' : 'no'
}
