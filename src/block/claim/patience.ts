/** A limit is counted in this many steps. */
const STEPS = 10

/**
 * Calls back after `limitMs`, of which a standstill of this process uses up at most a tenth, however long it lasts: the process could
 * not read what arrived then, so the delay is its own. End it with `clearInterval`.
 */
export function patience(limitMs: number, over: () => void): NodeJS.Timeout {
  let left = STEPS
  const timer = setInterval(() => {
    left--
    if (left > 0) return
    clearInterval(timer)
    over()
  }, limitMs / STEPS)
  return timer
}
