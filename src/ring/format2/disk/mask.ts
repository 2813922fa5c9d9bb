/**
 * Prevents bytes chosen by a supplier of items from passing for a structure of a ring.
 *
 * Structures begin at multiples of 512 bytes, whatever the block size, and a partition may begin at any sector. So the
 * four bytes at each such boundary inside a batch must not look like the magic of a structure: of format 2, whose
 * magics all begin with `SBR`, or of format 1. Nor may they be one flipped bit away from it. Only the start of the
 * batch is exempt.
 *
 * If a batch would have such bytes, all of its boundary words are XORed with one word that leaves none. Each boundary
 * rules out at most 58 words. A part of a batch has at most 131,073 boundaries, which rule out at most 7.6 million
 * words, so one of the first 7.6 million is always left, whatever the items are, and no secret is needed.
 */

/** Structures begin at multiples of this. */
export const BOUNDARY_BYTES = 512
/** Bytes masked at each boundary. */
export const WORD_BYTES = 4
/** A batch is masked in parts of this size, each with its own word. A remainder belongs to the last part. */
export const MASK_PART_BYTES: number = 64 << 20

/** `SBR`, the beginning of every magic of format 2. */
const OWN = 0x524253
/** `mira`, the beginning of the magic of format 1. */
const ORIGINAL = 0x6172696d
const ONE_BIT_OFF = Array.from({ length: 32 }, (_, bit) => 1 << bit)
const OWN_NEAR: readonly number[] = [0, ...ONE_BIT_OFF.slice(0, 24)].map((bit) => OWN ^ bit)
const ORIGINAL_NEAR: readonly number[] = [0, ...ONE_BIT_OFF].map((bit) => ORIGINAL ^ bit)
/** True if a word with this second byte needs a closer look. Few do, so most boundaries cost one load. */
const LOOKALIKE = Uint8Array.from({ length: 256 }, (_, byte) =>
  isPowerOfTwo(byte ^ 0x42) || isPowerOfTwo(byte ^ 0x69) ? 1 : 0,
)

/** Zero counts as one. */
function isPowerOfTwo(value: number): boolean {
  return (value & (value - 1)) === 0
}

function wordAt(bytes: Uint8Array, at: number): number {
  let word = 0
  for (let byte = 0; byte < WORD_BYTES; byte++) word |= (bytes[at + byte] ?? 0) << (8 * byte)
  return word
}

function isNear(word: number): boolean {
  return isPowerOfTwo((word ^ OWN) & 0xffffff) || isPowerOfTwo(word ^ ORIGINAL)
}

/** The first boundary of a part, as an offset in the batch. Offset 0 has the batch's own magic, and is not masked. */
function firstBoundary(part: number): number {
  return part === 0 ? BOUNDARY_BYTES : part * MASK_PART_BYTES
}

/** The number of mask words: one, unless the batch is larger than a part. */
export function maskWords(bodyBytes: number): number {
  return Math.max(1, Math.ceil(bodyBytes / MASK_PART_BYTES))
}

/** The end of a part, as an offset in the batch. */
function partEnd(part: number, parts: number, batchBytes: number): number {
  return part === parts - 1 ? batchBytes : (part + 1) * MASK_PART_BYTES
}

/**
 * Chooses the mask words of a batch, 0 for a part that needs none.
 * @param mayHaveLookalike false if `hasLookalike` is false for the whole batch
 */
export function chooseMasks(
  batch: Uint8Array,
  bodyBytes: number,
  mayHaveLookalike = true,
): readonly number[] {
  const parts = maskWords(bodyBytes)
  const masks: number[] = []
  for (let part = 0; part < parts; part++) {
    const [from, to] = [firstBoundary(part), partEnd(part, parts, batch.length)]
    masks.push(
      mayHaveLookalike && hasLookalike(batch, from, to) ? smallestMask(batch, from, to) : 0,
    )
  }
  return masks
}

/** True if a boundary word of a part is close to a magic. The word may end up to `WORD_BYTES` after the part. */
export function hasLookalike(batch: Uint8Array, from: number, to: number): boolean {
  const first = Math.max(1, Math.ceil(from / BOUNDARY_BYTES)) * BOUNDARY_BYTES
  for (let at = first; at < to; at += BOUNDARY_BYTES) {
    if (LOOKALIKE[batch[at + 1] as number] === 1 && isNear(wordAt(batch, at))) return true
  }
  return false
}

/** The smallest word that leaves no boundary word close to a magic. */
function smallestMask(batch: Uint8Array, from: number, to: number): number {
  const boundaries = Math.ceil((to - from) / BOUNDARY_BYTES)
  const ruledOut = new Uint8Array(boundaries * (OWN_NEAR.length + ORIGINAL_NEAR.length) + 1)
  for (let at = from; at < to; at += BOUNDARY_BYTES) {
    const word = wordAt(batch, at)
    // A mask has at most 24 bits, and any byte may follow `SBR`.
    for (const near of OWN_NEAR) ruledOut[(word ^ near) & 0xffffff] = 1
    for (const near of ORIGINAL_NEAR) ruledOut[(word ^ near) >>> 0] = 1
  }
  return ruledOut.indexOf(0)
}

/** True if a part of the batch is masked. */
export function isMasked(masks: readonly number[]): boolean {
  return masks.some((mask) => mask !== 0)
}

/**
 * Masks bytes of a batch in place. Masking twice restores them.
 * @param offset where in the batch the bytes begin
 * @param batchBytes length of the batch
 */
export function applyMasks(
  bytes: Uint8Array,
  masks: readonly number[],
  offset: number,
  batchBytes: number,
): void {
  for (const [part, mask] of masks.entries()) {
    if (mask === 0) continue
    const from = Math.max(firstBoundary(part), Math.ceil(offset / BOUNDARY_BYTES) * BOUNDARY_BYTES)
    const to = Math.min(partEnd(part, masks.length, batchBytes), offset + bytes.length)
    for (let boundary = from; boundary < to; boundary += BOUNDARY_BYTES) {
      for (let byte = 0; byte < WORD_BYTES; byte++) {
        const at = boundary - offset + byte
        bytes[at] = (bytes[at] as number) ^ (mask >>> (8 * byte))
      }
    }
  }
}
