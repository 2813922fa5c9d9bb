import type { LeaseRecord, LeaseState } from '../lease-types.ts'
import { BODY_AT, bad, isBad, LEASE, openBlock, sealBlock } from './block.ts'
import { getU64, putTime, putU64, viewOf } from './bytes.ts'

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
export const OWNER_BYTES = 64

const MAX_ROTTEN_BYTES = 4

const HELD = 1
const FREE = 2
/** Held, but not confirmed. */
const WANTED = 3

/** Below this, waiting for a racer would use up the lease; above it, nobody would wait. In milliseconds. */
export const TIMEOUT_MS = { least: 5000, most: 3_600_000, default: 30_000 } as const

/** A nonce, as it is in a record. */
export function newNonce(): string {
  return hexOf(crypto.getRandomValues(new Uint8Array(NONCE_BYTES)))
}

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
  const ownerLength = view.getUint8(OWNER_LENGTH_AT)
  const { least, most } = TIMEOUT_MS
  if (status < HELD || status > WANTED) {
    return { status: 'damaged', ...bad('status', `${HELD} to ${WANTED}`, String(status)) }
  }
  if (timeoutMs < least || timeoutMs > most) {
    return { status: 'damaged', ...bad('timeout', `${least} to ${most}`, String(timeoutMs)) }
  }
  if (ownerLength > OWNER_BYTES) {
    return { status: 'damaged', ...bad('owner', `${OWNER_BYTES} bytes`, String(ownerLength)) }
  }
  return {
    status: status === FREE ? 'free' : 'held',
    confirmed: status !== WANTED,
    owner: new TextDecoder().decode(block.subarray(OWNER_AT, OWNER_AT + ownerLength)),
    nonce: hexOf(block.subarray(NONCE_AT, NONCE_AT + NONCE_BYTES)),
    epoch: getU64(view, EPOCH_AT),
    counter: header.generation,
    timeoutMs,
    time: getU64(view, TIME_AT),
  }
}

/** Zeroes were never leased. A bit that rots in them must not close a ring; a record has far more that is not zero. */
function isBlank(block: Uint8Array): boolean {
  let rotten = 0
  for (const byte of block) if (byte !== 0 && ++rotten > MAX_ROTTEN_BYTES) return false
  return true
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
