import { channel } from '../diagnostics.ts'
import { isRingError } from '../errors.ts'
import type { DamageMessage } from './format2/reading.ts'
import { asPosition, type Position } from './types.ts'

/** Damaged items that a consumer stopped at. */
export interface Damage {
  readonly items: number
  /** How many items before them were overwritten. */
  readonly missed: number
  /** The position behind them, where it goes on. */
  readonly position: Position
  /** Which they are: how many items were pushed before them. */
  readonly numbers: string
  /** Where their batch is, in bytes from the device's start. */
  readonly offset: number | undefined
  /** What is there. */
  readonly reason: string
}

const damages = channel('shared-block-ring:damage')

/**
 * Steps over what a consumer with `onDamage: 'stop'` stopped at, for those who have to know what is lost: it is published
 * as one that skips does it. To be given back by an advance to its position, or to one behind it.
 * @throws the error itself, if it is of another kind
 */
export function stepOver(error: unknown): Damage {
  if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
  const { device = '', items = 0, missed = 0, position, expected, found, offset } = error.details
  if (position === undefined) throw error
  const behind = asPosition(BigInt(position))
  const message: DamageMessage = { device, items, position: behind, reason: error.message }
  damages.publish(message)
  const [numbers, reason] = [expected ?? '', found ?? error.message]
  return { items, missed, position: behind, numbers, offset, reason }
}
