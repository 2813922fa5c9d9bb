/** Milliseconds of blocking calls after which the rest of the program gets a turn. */
const TURN_MS = 4

/** Start of the first blocking call in this turn of the event loop. */
let began: number | undefined

/** Callers that wait for the next turn. */
let waiting: (() => void)[] = []

/**
 * Asks to block the event loop: now, or when the promise resolves. Without it, a loop of awaited writes
 * that complete immediately would starve timers and sockets.
 */
export function turn(): Promise<void> | undefined {
  return hasTime() ? undefined : waitForTime()
}

/** Asks again after each turn, because others that waited too may have used it up. */
async function waitForTime(): Promise<void> {
  do {
    await new Promise<void>((resolve) => waiting.push(resolve))
  } while (!hasTime())
}

/** True if this turn of the event loop has time left for calls that complete immediately. */
export function hasTime(): boolean {
  const now = performance.now()
  if (began === undefined) {
    began = now
    setImmediate(endTurn)
  }
  return now - began < TURN_MS
}

function endTurn(): void {
  began = undefined
  const released = waiting
  waiting = []
  for (const release of released) release()
}
