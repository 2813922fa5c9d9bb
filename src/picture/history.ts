import { ageOf, isSeen, type Snapshot } from './snapshot.ts'

/** A snapshot's numbers, those that change: small enough to keep many. What is unknown is null, as in JSON. */
export interface Point {
  /** When, in milliseconds, by a clock that never goes back: see {@link steadyTime}. */
  readonly at: number
  readonly used: number | null
  readonly waiting: number | null
  readonly pushed: number | null
  readonly popped: number | null
  readonly pushedBytes: number | null
  readonly commits: number | null
  readonly age: number | null
  /** How long ago each side last wrote. */
  readonly commitAge: number | null
  readonly receiptAge: number | null
}

/** How fast something goes, from the differences of points; undefined if too little is known. */
export interface Rates {
  readonly pushed: number | undefined
  readonly popped: number | undefined
  readonly pushedBytes: number | undefined
  readonly commits: number | undefined
  /** Bytes of the data area that come into use each second; negative while it drains. */
  readonly growth: number | undefined
}

/** Points that are kept: five minutes at two a second. */
export const MOST_POINTS = 600
/** Over what rates are taken, and what is too short for one. */
const RATE_MS = 10_000
const LEAST_MS = 400
/** Over what it is told whether a ring is going to be full. */
const TREND_MS = 60_000

/** Byte counts of a ring are modulo this. */
const BYTES_MODULUS = 2 ** 48

/**
 * The time for what is measured in spans: it passes as it does, also while the machine's clock is set. About milliseconds since 1970, so that
 * those of processes that follow each other do, too.
 */
export function steadyTime(): number {
  return Math.round(performance.timeOrigin + performance.now())
}

/** The last minutes of a ring. */
export class History {
  readonly #points: Point[] = []

  get points(): readonly Point[] {
    return this.#points
  }

  /** @param at when it was seen, by {@link steadyTime} of whoever saw it */
  add(snapshot: Snapshot, at: number): void {
    this.put(pointOf(snapshot, at))
  }

  put(point: Point): void {
    const last = this.#points.at(-1)
    if (point.at === last?.at) return
    // It is by the clock of another process then, which says nothing about how long ago the others were.
    if (last !== undefined && point.at < last.at) this.#points.length = 0
    // A ring that was made anew counts from nothing: what was before says nothing about it.
    if (last?.pushed != null && point.pushed !== null && point.pushed < last.pushed)
      this.#points.length = 0
    this.#points.push(point)
    if (this.#points.length > MOST_POINTS) this.#points.shift()
  }

  /** How fast it went in the last ten seconds; its growth in the last minute. */
  get rates(): Rates {
    return {
      pushed: this.#rate('pushed', RATE_MS),
      popped: this.#rate('popped', RATE_MS),
      pushedBytes: this.#rate('pushedBytes', RATE_MS),
      commits: this.#rate('commits', RATE_MS),
      growth: this.#rate('used', TREND_MS),
    }
  }

  #rate(
    what: 'pushed' | 'popped' | 'pushedBytes' | 'commits' | 'used',
    ms: number,
  ): number | undefined {
    const last = this.#points.at(-1)
    if (last === undefined) return undefined
    const first = this.#points.find((point) => point.at >= last.at - ms && point[what] !== null)
    return first && rateBetween(first, last, what)
  }
}

/** A second's worth of what happened between two points. */
export function rateBetween(
  first: Point,
  last: Point,
  what: 'pushed' | 'popped' | 'pushedBytes' | 'commits' | 'used',
): number | undefined {
  const [from, to] = [first[what], last[what]]
  const ms = last.at - first.at
  if (from === null || to === null || ms < LEAST_MS) return undefined
  const wrapped = what === 'pushedBytes' && to < from ? BYTES_MODULUS : 0
  return ((to - from + wrapped) / ms) * 1000
}

function pointOf(snapshot: Snapshot, at: number): Point {
  if (!isSeen(snapshot)) return { at, ...NOTHING }
  const { log, stats, waitingItems, producer, consumer } = snapshot
  const since = (time: number | undefined): number | null =>
    time === undefined ? null : Math.max(0, snapshot.at - time)
  return {
    at,
    used: log?.used ?? null,
    waiting: waitingItems ?? null,
    pushed: stats?.pushedItems ?? null,
    popped: stats?.poppedItems ?? null,
    pushedBytes: stats?.pushedBytes ?? null,
    commits: stats?.commits ?? null,
    age: ageOf(snapshot) ?? (waitingItems === 0 ? 0 : null),
    commitAge: since(producer.writtenAt),
    receiptAge: since(consumer.writtenAt),
  }
}

const NOTHING = {
  used: null,
  waiting: null,
  pushed: null,
  popped: null,
  pushedBytes: null,
  commits: null,
  age: null,
  commitAge: null,
  receiptAge: null,
}
