import type { LeaseRecord, LeaseState } from '../../lease-types.ts'
import { type BadBlock, BODY_AT, bad, isBad, LEASE, openBlock, sealBlock } from './block.ts'
import { getU64, isBlank, MAX_TIME, putTime, putU64, viewOf } from './bytes.ts'

// All fields lie in the first 512 bytes, so that no power cut tears a record.
const EPOCH_AT = BODY_AT
const TIME_AT = BODY_AT + 8
const NONCE_AT = BODY_AT + 16
const NONCE_BYTES = 8
const TIMEOUT_AT = BODY_AT + 24
const STATUS_AT = BODY_AT + 28
const OWNER_LENGTH_AT = BODY_AT + 29
const OWNER_AT = BODY_AT + 32
/** The longest name of an owner, in bytes. */
const OWNER_BYTES = 64
/**
 * Names go to fences, which are often shell scripts: no word can be an option, a path from the root or a command of a shell.
 * Addresses of IPv6 begin with a bracket.
 */
const OWNER = /^[0-9A-Za-z[][0-9A-Za-z._:/@[\]-]*(?: [0-9A-Za-z[][0-9A-Za-z._:/@[\]-]*)*$/
/** What an owner may be called, for people. */
export const OWNER_RULE: string =
  `1 to ${OWNER_BYTES} letters (A to Z), digits and . _ : / @ [ ] -, in words with one space between them that each begin ` +
  'with a letter, a digit or ['

const HELD = 1
const FREE = 2
/** Held, but not confirmed. */
const WANTED = 3

/** Below this, waiting for a racer would use up the lease; above it, nobody would wait. In milliseconds. */
export const TIMEOUT_MS = { least: 5000, most: 3_600_000, default: 30_000 } as const

/**
 * More writes than any host makes: no record of ours has such a counter, and the next one would soon be no number that a record can
 * have.
 */
const MAX_COUNT = 2 ** 48

/** Whether an owner may be called that. */
export function isOwner(text: string): boolean {
  return text.length <= OWNER_BYTES && OWNER.test(text)
}

/** A nonce, as it is in a record. */
export function newNonce(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)))
}

const latin1 = new TextDecoder('latin1')

export function encodeLease(
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  record: LeaseRecord,
): void {
  block.fill(0)
  const view = viewOf(block)
  putU64(view, EPOCH_AT, record.epoch)
  putTime(view, TIME_AT, record.time)
  for (let at = 0; at < NONCE_BYTES; at++) {
    view.setUint8(NONCE_AT + at, Number.parseInt(record.nonce.slice(2 * at, 2 * at + 2), 16))
  }
  view.setUint32(TIMEOUT_AT, record.timeoutMs, true)
  view.setUint8(STATUS_AT, record.status === 'free' ? FREE : record.confirmed ? HELD : WANTED)
  const area = block.subarray(OWNER_AT, OWNER_AT + OWNER_BYTES)
  view.setUint8(OWNER_LENGTH_AT, new TextEncoder().encodeInto(record.owner, area).written)
  sealBlock(block, { type: LEASE, offset, uuid, generation: record.counter })
}

/** Reads what is where a lease can be. */
export function parseLease(block: Uint8Array, offset: number, uuid: Uint8Array): LeaseState {
  if (isBlank(block)) return { status: 'never' }
  const header = openBlock(block, LEASE, offset, uuid)
  if (isBad(header)) return { status: 'damaged', ...header }
  const view = viewOf(block)
  const status = view.getUint8(STATUS_AT)
  const timeoutMs = view.getUint32(TIMEOUT_AT, true)
  const owner = latin1.decode(block.subarray(OWNER_AT, OWNER_AT + view.getUint8(OWNER_LENGTH_AT)))
  const epoch = getU64(view, EPOCH_AT)
  const counter = header.generation
  const time = getU64(view, TIME_AT)
  const { least, most } = TIMEOUT_MS
  const wrong =
    outside('status', status, HELD, WANTED) ??
    outside('timeout', timeoutMs, least, most) ??
    outside('epoch', epoch, 1, MAX_COUNT) ??
    outside('generation', counter, 1, MAX_COUNT) ??
    outside('time', time, 0, MAX_TIME) ??
    (isOwner(owner) ? undefined : bad('owner', OWNER_RULE, quoted(owner)))
  if (wrong !== undefined) return { status: 'damaged', ...wrong }
  return {
    status: status === FREE ? 'free' : 'held',
    confirmed: status !== WANTED,
    owner,
    nonce: hexOf(block.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES)),
    epoch,
    counter,
    timeoutMs,
    time,
  }
}

/** Why a number cannot be in a record, if it cannot. */
function outside(field: string, found: number, least: number, most: number): BadBlock | undefined {
  if (found >= least && found <= most) return undefined
  return bad(field, `${least} to ${most}`, String(found))
}

/** Bytes that somebody else chose, as ASCII. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
