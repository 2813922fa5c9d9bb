import { MAGIC } from '../../format1/magic.ts'
import type { FieldSpec } from '../../report/dump.ts'

/** Bytes of the guard. */
export const GUARD_BYTES = 12_288
/** A byte that is no valid bool in format 1. */
const NO_BOOL = 0xff
/** Offsets of format 1's bools in sectors 1 and 2, for sectors of 512 bytes to 8 KiB. */
const BOOLS = [512, 1024, 2048, 4096, 8192].map((sector) => ({ sector, at: sector + 8 }))
const TEXT_AT = 128
/** Space for the text, which is shorter. */
const TEXT_BYTES = 80
const TEXTS = {
  ring: 'This is a shared-block-ring of format 2. Older programs cannot use it.',
  pool: 'This is a pool of shared-block-rings. Older programs cannot use it.',
} as const
/** The kinds of content that a guard protects: a ring of format 2, or a pool of rings. */
export type Guarded = keyof typeof TEXTS
const GUARDED: readonly Guarded[] = ['ring', 'pool']
/**
 * Matches required, of nine: one for each bool, one for the magic and three for the text, where format 1 has zeroes.
 */
const MOST_VOTES = 5

/**
 * The start of a ring of format 2 or of a pool. It keeps code that knows only format 1 away: because of the magic,
 * `create` does nothing and a journal does not format the device; because of the invalid bools, `attach` fails.
 */
export function encodeGuard(kind: Guarded = 'ring'): Uint8Array {
  return GUARDS[kind].slice()
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

/** True if the guard is intact. */
export function hasGuard(start: Uint8Array, kind: Guarded = 'ring'): boolean {
  return GUARDS[kind].every((byte, at) => start[at] === byte)
}

/** The content that a guard protects, according to its text; undefined if the text is damaged. */
export function kindInGuard(start: Uint8Array): Guarded | undefined {
  return GUARDED.find((kind) => holds(start, GUARDS[kind], TEXT_AT, TEXTS[kind].length))
}

function holds(start: Uint8Array, guard: Uint8Array, from: number, length: number): boolean {
  return guard.subarray(from, from + length).every((byte, at) => start[from + at] === byte)
}

/**
 * True if most of a guard is present, so that a ring on the device is of format 2. A supplier of items to a ring of
 * format 1, whose items cannot be masked, can forge at most the magic and three bools. The loss of one 512-byte sector
 * leaves enough.
 */
export function isGuarded(start: Uint8Array): boolean {
  const bools = BOOLS.filter(({ at }) => start[at] === NO_BOOL).length
  const magic = holds(start, GUARDS.ring, 0, MAGIC.length) ? 1 : 0
  const text = kindInGuard(start) === undefined ? 0 : 3
  return bools + magic + text >= MOST_VOTES
}

/** The kind of a partial guard, which an interrupted creation leaves behind. */
export function partOfGuard(start: Uint8Array): Guarded | undefined {
  return GUARDED.find((kind) => start.every((byte, at) => byte === 0 || byte === GUARDS[kind][at]))
}
