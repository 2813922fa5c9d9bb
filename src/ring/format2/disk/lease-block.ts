import type { LeaseRecord, LeaseState } from '../../lease-types.ts'
import type { FieldSpec } from '../../report/dump.ts'
import { type BadBlock, bad, blockFields, isBad, LEASE, openBlock, sealBlock } from './block.ts'
import { isBlank, MAX_TIME, viewOf } from './bytes.ts'
import { field, raw, struct, timestamp, u8, u32, u64 } from './struct.ts'

const NONCE_BYTES = 8
/** The longest name of an owner, in bytes. */
const OWNER_BYTES = 64

// All fields lie in the first 512 bytes, so that no power cut tears a record.
const FIELDS = struct({
  epoch: field('times taken', 64, u64),
  time: field('time', 72, timestamp),
  nonce: field('nonce', 80, raw(NONCE_BYTES, 'hex')),
  timeoutMs: field('timeout', 88, u32),
  status: field('status', 92, u8),
  ownerLength: field('owner length', 93, u8),
  owner: field('owner', 96, raw(OWNER_BYTES, 'text')),
})

/** The fields of a lease, for a dump. */
export function leaseFields(): readonly FieldSpec[] {
  return blockFields(FIELDS)
}

/**
 * Names are passed to fences, which are often shell scripts: no word may look like an option, an absolute path or a
 * shell command. IPv6 addresses begin with a bracket.
 */
const OWNER = /^[0-9A-Za-z[][0-9A-Za-z._:/@[\]-]*(?: [0-9A-Za-z[][0-9A-Za-z._:/@[\]-]*)*$/
/** The rule for owners, as text. */
export const OWNER_RULE: string =
  `1 to ${OWNER_BYTES} letters (A to Z), digits and . _ : / @ [ ] -, in words with one space between them that each begin ` +
  'with a letter, a digit or ['

const HELD = 1
const FREE = 2
/** Held, but not confirmed. */
const WANTED = 3

/** Shorter timeouts would expire while taking a lease waits for rivals; longer ones have no use. In milliseconds. */
export const TIMEOUT_MS = { least: 5000, most: 3_600_000, default: 30_000 } as const

/**
 * More writes than any host makes. No record of ours has a higher counter, and beyond it the next value might not fit.
 */
const MAX_LEASE_COUNT = 2 ** 48

/** True if an owner's name follows the rule. */
export function isOwner(text: string): boolean {
  return text.length <= OWNER_BYTES && OWNER.test(text)
}

/** A nonce in the form in which a record stores it. */
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
  const owner = new Uint8Array(OWNER_BYTES)
  const { written: ownerLength } = new TextEncoder().encodeInto(record.owner, owner)
  const status = record.status === 'free' ? FREE : record.confirmed ? HELD : WANTED
  const nonce = Uint8Array.from({ length: NONCE_BYTES }, (_, at) =>
    Number.parseInt(record.nonce.slice(2 * at, 2 * at + 2), 16),
  )
  FIELDS.put(viewOf(block), { ...record, nonce, status, ownerLength, owner })
  sealBlock(block, { type: LEASE, offset, uuid, generation: record.counter })
}

/** Parses a block where a lease can be. */
export function parseLease(block: Uint8Array, offset: number, uuid: Uint8Array): LeaseState {
  if (isBlank(block)) return { status: 'never' }
  const header = openBlock(block, LEASE, offset, uuid)
  if (isBad(header)) return { status: 'damaged', ...header }
  const { ownerLength, status, timeoutMs, epoch, time, nonce } = FIELDS.get(viewOf(block))
  const ownerAt = FIELDS.fields.owner.at
  const owner = latin1.decode(block.subarray(ownerAt, ownerAt + ownerLength))
  const counter = header.generation
  const { least, most } = TIMEOUT_MS
  const wrong =
    outside('status', status, HELD, WANTED) ??
    outside('timeout', timeoutMs, least, most) ??
    outside('epoch', epoch, 1, MAX_LEASE_COUNT) ??
    outside('generation', counter, 1, MAX_LEASE_COUNT) ??
    outside('time', time, 0, MAX_TIME) ??
    (isOwner(owner) ? undefined : bad('owner', OWNER_RULE, quoted(owner)))
  if (wrong !== undefined) return { status: 'damaged', ...wrong }
  return {
    status: status === FREE ? 'free' : 'held',
    confirmed: status !== WANTED,
    owner,
    nonce: hexOf(nonce),
    epoch,
    counter,
    timeoutMs,
    time,
  }
}

/** The reason why a number is invalid in a record; undefined if it is valid. */
function outside(field: string, found: number, least: number, most: number): BadBlock | undefined {
  if (found >= least && found <= most) return undefined
  return bad(field, `${least} to ${most}`, String(found))
}

/** Untrusted bytes as ASCII. */
function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(/[^ -~]/g, escaped)
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}
