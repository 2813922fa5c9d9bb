import { inOrder } from '../block/ops/pipeline.ts'
import { systemClock } from '../clock.ts'
import { onAbort, untilAborted } from '../util/abort.ts'
import { atMost } from '../util/at-most.ts'
import type { SurveyResult } from './rings.ts'
import type { RingSurvey } from './survey.ts'

/** Surveys that run at the same time. */
const AT_ONCE = 4
/** Time for which a survey that does not end delays others. */
const TURN_MS = 1000

/** A ring to survey. */
export interface SurveyTarget {
  /** Its name. */
  readonly device: string
  /** @param over aborted when no caller is waiting for it any more */
  readonly survey: (over: AbortSignal) => Promise<RingSurvey>
}

/** Time limit of a survey. */
export interface SurveyLimit {
  /** For each ring, in milliseconds, from when its survey begins. */
  readonly ms: number
  /** True if the limit applies to all together. */
  readonly inAll: boolean
  /** The error of a ring that exceeds the limit. */
  readonly tooLate: (device: string) => unknown
}

/**
 * Surveys rings repeatedly, each at most once at a time: a device that never answers costs one survey, and its time
 * limit once. Until that survey has ended, every other call for it fails immediately.
 */
export class Surveyor {
  readonly #underWay = new Map<string, Promise<RingSurvey>>()
  readonly #signal: AbortSignal | undefined

  /** @param signal ends all surveys */
  constructor(signal?: AbortSignal) {
    this.#signal = signal
  }

  /**
   * Surveys rings, a few at the same time, and returns the results in their order. One that fails, or does not end,
   * hides no other.
   * @throws the signal's reason
   */
  async surveyAll(
    rings: readonly SurveyTarget[],
    limit: SurveyLimit,
  ): Promise<readonly SurveyResult[]> {
    const signal = this.#signal
    const { ms, inAll } = limit
    const deadline = inAll ? systemClock.now() + ms : Number.POSITIVE_INFINITY
    const results: Promise<SurveyResult>[] = []
    const begin = (ring: SurveyTarget): Promise<boolean> => {
      const { device } = ring
      const left = Math.min(ms, deadline - systemClock.now())
      const look = this.#survey(ring, { ...limit, ms: left }).catch((error: unknown) => {
        return { device, error }
      })
      results.push(look)
      return atMost(TURN_MS, look, systemClock)
    }
    for await (const _ of inOrder(rings, { concurrency: AT_ONCE, signal }, begin));
    const all = await Promise.all(results)
    signal?.throwIfAborted()
    return all
  }

  async #survey(
    { device, survey }: SurveyTarget,
    { ms, tooLate }: SurveyLimit,
  ): Promise<RingSurvey> {
    const waiting = this.#underWay.get(device)
    if (waiting !== undefined) return waiting
    if (ms <= 0) throw tooLate(device)
    const over = new AbortController()
    const listening = onAbort(this.#signal, () => over.abort(this.#signal?.reason))
    systemClock.sleep(ms, over.signal).then(
      () => over.abort(tooLate(device)),
      () => undefined,
    )
    const surveying = survey(over.signal)
    const inTime = untilAborted(surveying, over.signal)
    this.#underWay.set(device, inTime)
    const end = (): void => {
      this.#underWay.delete(device)
      listening()
      over.abort()
    }
    surveying.then(end, end)
    return inTime
  }
}
