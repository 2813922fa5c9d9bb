import type { Clock } from '../clock.ts'

/** Waits for a promise that never rejects, at most `ms` milliseconds. Returns true if it settled in time. */
export async function atMost(
  ms: number,
  promise: Promise<unknown>,
  clock: Clock,
): Promise<boolean> {
  const early = new AbortController()
  const settled = promise.then(() => true)
  const late = clock.sleep(ms, early.signal).then(
    () => false,
    () => true,
  )
  const inTime = await Promise.race([settled, late])
  early.abort()
  return inTime
}
