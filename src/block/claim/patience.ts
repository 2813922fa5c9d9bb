/** A limit is counted in so many steps. */
const STEPS = 10

/**
 * Calls back after `limitMs`, of which a standstill of this process takes one tenth, however long it was: what arrived meanwhile
 * could not be read yet, and nobody else is to blame for the delay. End it with `clearInterval`.
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
