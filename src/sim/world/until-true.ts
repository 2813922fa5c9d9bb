import type { Clock } from '../../clock.ts'

/** How often a condition is looked at, in milliseconds. */
const LOOK_MS = 20

/** Waits for a condition; false if it has not become true in time. */
export async function untilTrue(ms: number, clock: Clock, isTrue: () => boolean): Promise<boolean> {
  for (const until = clock.now() + ms; !isTrue(); await clock.sleep(LOOK_MS)) {
    if (clock.now() > until) return false
  }
  return true
}
