import { MAGIC } from '../../format1/magic.ts'
import type { FieldSpec } from '../../report/dump.ts'

/** Bytes of the guard. */
export const GUARD_BYTES = 12_288
/** A value that is no bool of format 1. */
const NO_BOOL = 0xff
/** Where format 1 keeps the bools of its sectors 1 and 2, for sectors of 512 bytes to 8 KiB. */
const BOOLS = [512, 1024, 2048, 4096, 8192].map((sector) => ({ sector, at: sector + 8 }))
const TEXT_AT = 128
/** Room for a text, which is shorter. */
const TEXT_BYTES = 80
const TEXTS = {
  ring: 'This is a shared-block-ring of format 2. Older programs cannot use it.',
  pool: 'This is a pool of shared-block-rings. Older programs cannot use it.',
} as const
/** What a guard protects: a ring of format 2, or a pool of rings. */
export type Guarded = keyof typeof TEXTS
const GUARDED: readonly Guarded[] = ['ring', 'pool']
/** Matches needed, of nine: each bool has one, the magic one, and the text three, because format 1 has zeroes there. */
const MOST_VOTES = 5

/**
 * The start of a ring of format 2 or of a pool, made so that code that knows only format 1 leaves it alone: the magic, so that `create` does
 * nothing and a journal does not format the device; and invalid bools, so that `attach` fails.
 */
export function encodeGuard(what: Guarded = 'ring'): Uint8Array {
  return GUARDS[what].slice()
}

const GUARDS = { ring: makeGuard(TEXTS.ring), pool: makeGuard(TEXTS.pool) }

function makeGuard(text: string): Uint8Array {
  const guard = new Uint8Array(GUARD_BYTES)
  const encoder = new TextEncoder()
  encoder.encodeInto(MAGIC, guard)
  encoder.encodeInto(text, guard.subarray(TEXT_AT))
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
export function hasGuard(start: Uint8Array, what: Guarded = 'ring'): boolean {
  return GUARDS[what].every((byte, at) => start[at] === byte)
}

/** What a guard protects, according to its text; undefined if the text is damaged. */
export function saidByGuard(start: Uint8Array): Guarded | undefined {
  return GUARDED.find((what) => holds(start, GUARDS[what], TEXT_AT, TEXTS[what].length))
}

function holds(start: Uint8Array, guard: Uint8Array, from: number, length: number): boolean {
  return guard.subarray(from, from + length).every((byte, at) => start[from + at] === byte)
}

/**
 * Whether most of a guard is there, so that the ring on the device, if any, is of format 2. A supplier of items to a ring of format 1
 * can forge at most the magic and three bools: format 1 cannot mask its items. After the loss of one 512-byte sector enough is left.
 */
export function isGuarded(start: Uint8Array): boolean {
  const bools = BOOLS.filter(({ at }) => start[at] === NO_BOOL).length
  const magic = holds(start, GUARDS.ring, 0, MAGIC.length) ? 1 : 0
  const text = saidByGuard(start) === undefined ? 0 : 3
  return bools + magic + text >= MOST_VOTES
}

/** Of what there is only a part of the guard: an interrupted creation leaves that. */
export function partOfGuard(start: Uint8Array): Guarded | undefined {
  return GUARDED.find((what) => start.every((byte, at) => byte === 0 || byte === GUARDS[what][at]))
}
