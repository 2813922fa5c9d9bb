import { MAGIC } from '../../format1/magic.ts'
import type { FieldSpec } from '../../report/dump.ts'

/** Bytes of the guard. */
export const GUARD_BYTES = 12_288
/** A value that is no bool of format 1. */
const NO_BOOL = 0xff
/** Where format 1 keeps the bools of its sectors 1 and 2, for sectors of 512 bytes to 8 KiB. */
const BOOLS = [512, 1024, 2048, 4096, 8192].map((sector) => ({ sector, at: sector + 8 }))
const TEXT_AT = 128
/** Room for the text, which is shorter. */
const TEXT_BYTES = 80
const TEXT = 'This is a shared-block-ring of format 2. Older programs cannot use it.'
/** Matches needed, of nine: each bool has one, the magic one, and the text three, because format 1 has zeroes there. */
const MOST_VOTES = 5

/**
 * The start of a ring of format 2, made so that code that knows only format 1 leaves it alone: the magic, so that `create` does
 * nothing and a journal does not format the device; and invalid bools, so that `attach` fails.
 */
export function encodeGuard(): Uint8Array {
  return GUARD.slice()
}

const GUARD = makeGuard()

function makeGuard(): Uint8Array {
  const guard = new Uint8Array(GUARD_BYTES)
  const encoder = new TextEncoder()
  encoder.encodeInto(MAGIC, guard)
  encoder.encodeInto(TEXT, guard.subarray(TEXT_AT))
  for (const { at } of BOOLS) guard[at] = NO_BOOL
  return guard
}

/** The fields of the guard, for a dump. */
export function guardFields(): readonly FieldSpec[] {
  return [
    ['magic of format 1', 0, MAGIC.length, 'text'],
    ['text', TEXT_AT, TEXT_BYTES, 'text'],
    ...BOOLS.map(({ sector, at }): FieldSpec => [`bool of format 1, sector size ${sector}`, at, 1]),
  ]
}

/** Whether the guard is intact. */
export function hasGuard(start: Uint8Array): boolean {
  return GUARD.every((byte, at) => start[at] === byte)
}

/**
 * Whether most of the guard is there, so that the ring on the device, if any, is of format 2. A supplier of items to a ring of format 1
 * can forge at most the magic and three bools: format 1 cannot mask its items. After the loss of one 512-byte sector enough is left.
 */
export function isGuarded(start: Uint8Array): boolean {
  const holds = (from: number, length: number): boolean =>
    GUARD.subarray(from, from + length).every((byte, at) => start[from + at] === byte)
  const bools = BOOLS.filter(({ at }) => start[at] === NO_BOOL).length
  const votes = bools + (holds(0, MAGIC.length) ? 1 : 0) + (holds(TEXT_AT, TEXT.length) ? 3 : 0)
  return votes >= MOST_VOTES
}

/** Whether there is only a part of the guard: an interrupted creation leaves that. */
export function isPartOfGuard(start: Uint8Array): boolean {
  return start.every((byte, at) => byte === 0 || byte === GUARD[at])
}
