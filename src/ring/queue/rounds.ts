import type { Clock } from '../../clock.ts'

/** The interval of the rounds in which longer pauses end. */
const ROUND_MS = 25
/** A pause up to this length ends on time. */
const SHORT_MS = 50
/** A pause may end this much later, because the timer of the round before may have been early. */
const LATER_MS = 2

/** The callbacks whose pauses end together. */
interface Round {
  readonly waiting: Set<() => void>
  readonly abandoned: AbortController
}

/** By clock, and by the time at which they are due. */
const all = new WeakMap<Clock, Map<number, Round>>()

/**
 * Calls back once, in `ms` milliseconds, or up to 25 ms earlier if that is more than 50 ms. Such pauses end in rounds
 * with one timer each: long pauses wake a process at most forty times a second, however many rings it waits at, and it
 * polls many of them in one pass.
 * @returns a function that cancels the call
 */
export function afterPause(clock: Clock, ms: number, callback: () => void): () => void {
  const rounds = all.get(clock) ?? new Map<number, Round>()
  all.set(clock, rounds)
  const end = clock.now() + ms
  const due = ms > SHORT_MS ? Math.floor((end + LATER_MS) / ROUND_MS) * ROUND_MS : end
  const round = rounds.get(due) ?? begin(clock, due, rounds)
  round.waiting.add(callback)
  return () => {
    if (!round.waiting.delete(callback) || round.waiting.size > 0) return
    rounds.delete(due)
    round.abandoned.abort()
  }
}

function begin(clock: Clock, due: number, rounds: Map<number, Round>): Round {
  const round = { waiting: new Set<() => void>(), abandoned: new AbortController() }
  rounds.set(due, round)
  const call = (): void => {
    rounds.delete(due)
    for (const callback of round.waiting) callback()
  }
  // It fails when every callback was cancelled.
  clock.sleep(due - clock.now(), round.abandoned.signal).then(call, () => undefined)
  return round
}
