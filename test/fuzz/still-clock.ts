import type { Clock } from '../../src/clock.ts'

/** A clock that stands: nothing happens in the background, and whoever waits in the foreground goes on at once. */
export const stillClock: Clock = {
  now: () => 0,
  time: () => 1_700_000_000_000,
  sleep: (_ms, _signal, options) =>
    options?.background === true ? new Promise(() => undefined) : Promise.resolve(),
}
