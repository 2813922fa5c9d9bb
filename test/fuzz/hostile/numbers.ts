import type { Random } from '../../../src/sim/world/random.ts'

const { MAX_SAFE_INTEGER } = Number

/** Numbers around which rules change. */
const EDGES = [
  ...[0, 1, 2, 96, 97, 512, 4096, 65_536],
  ...[2 ** 16, 2 ** 24, 2 ** 31, 2 ** 32, 2 ** 48, 2 ** 51, 2 ** 52, 2 ** 53],
]

/** A number at a bound, beyond it, or near the one that was there. */
export function hostileNumber(random: Random, near: number, bounds: readonly number[]): number {
  const around = random.pick([near, ...bounds, ...EDGES])
  const number = around + random.pick([0, 0, 1, -1, 2, -2, 8, -8])
  return Math.min(MAX_SAFE_INTEGER, Math.max(0, Math.floor(number)))
}

/** Reads an unsigned field, however wide. */
export function getField(bytes: Uint8Array, at: number, width: number): bigint {
  let value = 0n
  for (let byte = width - 1; byte >= 0; byte--) value = value * 256n + BigInt(bytes[at + byte] ?? 0)
  return value
}

/** Writes what of a number fits into a field. */
export function putField(bytes: Uint8Array, at: number, width: number, value: bigint): void {
  for (let byte = 0; byte < width; byte++)
    bytes[at + byte] = Number((value >> BigInt(8 * byte)) & 255n)
}
