import { setTimeout as sleep } from 'node:timers/promises'

/** Receives by asking every millisecond, for contestants that cannot be waited for. */
export function pollFor(takeOne) {
  return async (onItem) => {
    for (;;) {
      if ((await takeOne(onItem)) === 0) await sleep(1)
    }
  }
}
