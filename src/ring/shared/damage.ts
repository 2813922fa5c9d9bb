import { isRingError, type RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { channel } from '../../util/diagnostics.ts'
import { parsePosition } from './position-text.ts'

/** Damaged items that a consumer skipped: published on `shared-block-ring:damage`, once for each run of items. */
export interface DamageEvent {
  /** The device's `name`. */
  readonly device: string
  /** How many items. */
  readonly items: number
  /** Which ones, counted from 1. */
  readonly numbers: {
    /** The number of the first one. */
    readonly first: number
    /** The number of the last one. */
    readonly last: number
  }
  /** The position after them. */
  readonly position: Position
  /** Where the damage is, in bytes from the device's start. */
  readonly offset: number
  /** What is damaged: `item`, `table` or `batch header`. */
  readonly structure: string
  /** What is wrong with it, for people, in the words of `verifyRing`. */
  readonly problem: string
}

/** Damaged items that a consumer stopped at. */
export interface Damage extends DamageEvent {
  /** How many items before them were overwritten. */
  readonly missed: number
}

const damages = channel('shared-block-ring:damage')

/**
 * Skips what a consumer with `onDamage: 'stop'` stopped at, for callers that have to know what is lost: it is published
 * as a consumer that skips does. The caller acknowledges it by advancing to its position, or to one after it.
 * @throws the error itself, if it is of another kind
 */
export function stepOver(error: unknown): Damage {
  if (!isRingError(error)) throw error
  if (error.code !== 'RING_DAMAGED') throw error
  const damage = damageOf(error)
  damages.publish(damage)
  return { ...damage, missed: error.details.missed ?? 0 }
}

/** Publishes damage that is skipped. */
export function publishDamage(error: RingError<'RING_DAMAGED'>): void {
  if (damages.hasSubscribers) damages.publish(damageOf(error))
}

function damageOf({ details }: RingError<'RING_DAMAGED'>): DamageEvent {
  const { device, items, numbers, position, offset, structure, problem } = details
  return { device, items, numbers, position: parsePosition(position), offset, structure, problem }
}
