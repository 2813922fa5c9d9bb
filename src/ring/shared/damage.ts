import { isRingError, type RingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import { channel } from '../../util/diagnostics.ts'
import { parsePosition } from './position-text.ts'

/** Damaged items that a consumer skipped: published on `shared-block-ring:damage`, once for each run of items. */
export interface DamageEvent {
  /** The device's `name`. */
  readonly device: string
  /** The number of items. */
  readonly items: number
  /** The items, counted from 1. */
  readonly numbers: {
    /** The number of the first one. */
    readonly first: number
    /** The number of the last one. */
    readonly last: number
  }
  /** The position after them. */
  readonly position: Position
  /** Device offset of the damage, in bytes. */
  readonly offset: number
  /** The damaged structure: `item`, `table` or `batch header`. */
  readonly structure: string
  /** Describes the damage, in the words of `verifyRing`. */
  readonly problem: string
}

/** Damaged items at which a consumer stopped. */
export interface Damage extends DamageEvent {
  /** The number of earlier items that were overwritten. */
  readonly missed: number
}

const damages = channel('shared-block-ring:damage')

/**
 * Skips the damage at which a consumer with `onDamage: 'stop'` stopped, for callers that need to know the loss. It is
 * published, as a consumer that skips does. The caller acknowledges it by advancing to its position, or to a later one.
 * @throws the error itself, if it is of another kind
 */
export function skipDamageOf(error: unknown): Damage {
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
