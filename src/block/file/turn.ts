import { setImmediate as nextTurn } from 'node:timers/promises'

/** Milliseconds of blocking calls after which the rest of the program gets a turn. */
const TURN_MS = 1

/** When the first blocking call of this turn of the event loop began. */
let began: number | undefined

/**
 * Asks to block the event loop: at once, or when the promise resolves. Without it a loop of awaited writes
 * that are done at once would let no timer and no socket have its turn.
 */
export function turn(): Promise<void> | undefined {
  return hasTime() ? undefined : waitForTime()
}

/** Asks again after each turn, because others that waited too may have used it up. */
async function waitForTime(): Promise<void> {
  do await nextTurn()
  while (!hasTime())
}

function hasTime(): boolean {
  const now = performance.now()
  if (began === undefined) {
    began = now
    setImmediate(() => {
      began = undefined
    })
  }
  return now - began < TURN_MS
}
