/** A limit is counted in this many steps. */
const STEPS = 10

/**
 * Calls back after `limitMs`. A time in which this process was stopped counts for at most a tenth of it, however long
 * it was: the process could not read meanwhile, so the delay is its own. End it with `clearInterval`.
 */
export function readTimeout(limitMs: number, over: () => void): NodeJS.Timeout {
  let left = STEPS
  const timer = setInterval(() => {
    left--
    if (left > 0) return
    clearInterval(timer)
    over()
  }, limitMs / STEPS)
  return timer
}
