import { MAX_TIMER_MS } from '../../clock.ts'
import { usageError } from '../errors.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 2 ** 10,
  M: 2 ** 20,
  G: 2 ** 30,
  T: 2 ** 40,
  KB: 1e3,
  MB: 1e6,
  GB: 1e9,
  TB: 1e12,
  KIB: 2 ** 10,
  MIB: 2 ** 20,
  GIB: 2 ** 30,
  TIB: 2 ** 40,
}

const MILLISECONDS: Readonly<Record<string, number>> = { '': 1000, ms: 1, s: 1000, m: 60_000 }

/** Bytes from `512`, `64K`, `64KiB` (powers of 1,024, as dd and truncate have them) or `1GB` (powers of 1,000). */
export function parseSize(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = unit === undefined ? undefined : UNITS[unit.toUpperCase()]
  const bytes = Number(digits) * (factor ?? Number.NaN)
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes
  if (bytes > Number.MAX_SAFE_INTEGER)
    throw usageError(`expected a size of less than 8192TiB, found '${text}'`)
  throw usageError(`expected a size such as 512, 64K, 64KiB, 1GiB or 1GB (10^9), found '${text}'`)
}

/** Milliseconds from `500ms`, `10s`, `2m` or a number of seconds. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*(ms|s|m|)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : MILLISECONDS[unit]
  const milliseconds = Math.round(Number(digits) * (factor ?? Number.NaN))
  if (milliseconds >= 0 && milliseconds <= MAX_TIMER_MS) return milliseconds
  throw usageError(`expected a time such as 500ms, 10s or 2m, found '${text}'`)
}

/** A share from 0 to 1, from `80%`. */
export function parsePercent(text: string): number {
  const [, digits] = /^(\d+(?:\.\d+)?)%$/.exec(text) ?? []
  const share = Number(digits) / 100
  if (share >= 0 && share <= 1) return share
  throw usageError(`expected a share such as 80%, found '${text}'`)
}

/** A number of items, at least one. */
export function parseCount(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : 0
  if (Number.isSafeInteger(count) && count > 0) return count
  throw usageError(`expected a whole number from 1, found '${text}'`)
}

/** A number of items, perhaps none. */
export function parseWhole(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(count)) return count
  throw usageError(`expected a whole number, found '${text}'`)
}
