import { bytesBetween } from '../ring/format2/disk/log-position.ts'
import { isSeen, type Snapshot, waitedOf } from './snapshot.ts'

/** The numbers of a snapshot that change; small enough to keep many. An unknown one is null, as in JSON. */
export interface Point {
  /** When, in milliseconds, by a clock that never goes back: see {@link steadyTime}. */
  readonly at: number
  readonly used: number | null
  readonly waiting: number | null
  readonly pushed: number | null
  readonly acknowledged: number | null
  readonly pushedBytes: number | null
  readonly commits: number | null
  readonly age: number | null
  /** The time since each side last wrote. */
  readonly producerWriteAge: number | null
  readonly consumerWriteAge: number | null
}

/** Rates, from the differences of points; undefined if too little is known. */
export interface Rates {
  readonly pushed: number | undefined
  readonly acknowledged: number | undefined
  readonly pushedBytes: number | undefined
  readonly commits: number | undefined
  /** Bytes of the data area that come into use each second; negative while it drains. */
  readonly growth: number | undefined
}

/**
 * Points that are kept: five minutes, with one a second and the newest. A server keeps them for each of a hundred
 * rings.
 */
export const MOST_POINTS = 300
/**
 * Of two points that are closer, only the later one is kept. Less than a second, because looks are not exactly on time.
 */
const APART_MS = 900
/** The time over which rates are taken, and the shortest one for a rate. */
const RATE_MS = 10_000
const LEAST_MS = 400
/** The time over which growth is extrapolated. */
const TREND_MS = 60_000
/** A shorter time shows no trend. */
const LEAST_TREND_MS = 3000

/**
 * A monotonic clock for intervals, in about milliseconds since 1970: the times of one process and of the next one that
 * replaces it are comparable.
 */
export function steadyTime(): number {
  return Math.round(performance.timeOrigin + performance.now())
}

/** The numbers of a point, in the order of storage. */
const FIELDS = [
  'at',
  'used',
  'waiting',
  'pushed',
  'acknowledged',
  'pushedBytes',
  'commits',
  'age',
  'producerWriteAge',
  'consumerWriteAge',
] as const satisfies readonly (keyof Point)[]
const FIRST_CAPACITY = 16

/**
 * The last minutes of a ring, as numbers side by side: a server keeps them for each of its rings, and objects would
 * take several times the memory. NaN stands for null.
 */
export class History {
  #numbers = new Float64Array(FIRST_CAPACITY * FIELDS.length)
  /** Index of the oldest point, once the history is full. */
  #first = 0
  #length = 0

  get points(): readonly Point[] {
    return this.last(MOST_POINTS)
  }

  /** At most this many points, up to the newest. */
  last(count: number): readonly Point[] {
    const from = Math.max(0, this.#length - count)
    return Array.from({ length: this.#length - from }, (_, index) => this.#point(from + index))
  }

  /**
   * True if the newest point is so old that it stays beside one of this time. A snapshot as before needs no point until
   * then.
   */
  isDue(at: number): boolean {
    const newest = this.#length - 1
    return (
      newest < 0 || at < this.#number(newest, 'at') || at - this.#number(newest, 'at') >= APART_MS
    )
  }

  /** @param at when it was seen, by {@link steadyTime} of its observer */
  add(snapshot: Snapshot, at: number): void {
    this.put(pointOf(snapshot, at))
  }

  put(point: Point): void {
    const newest = this.#length - 1
    if (newest >= 0) {
      const at = this.#number(newest, 'at')
      if (point.at === at) return
      // It is by the clock of another process then, which says nothing about how long ago the others were.
      // A ring that was made again counts from 0: earlier points say nothing about it.
      const isAnew = point.pushed !== null && point.pushed < this.#number(newest, 'pushed')
      if (point.at < at || isAnew) this.#first = this.#length = 0
      else if (newest > 0 && at - this.#number(newest - 1, 'at') < APART_MS) this.#length--
    }
    this.#makeRoom()
    const start = this.#startOf(this.#length++)
    for (let index = 0; index < FIELDS.length; index++)
      this.#numbers[start + index] = point[FIELDS[index] ?? 'at'] ?? Number.NaN
  }

  /** The rates of the last ten seconds, and the growth of the last minute. */
  get rates(): Rates {
    return {
      pushed: this.#rate('pushed', RATE_MS),
      acknowledged: this.#rate('acknowledged', RATE_MS),
      pushedBytes: this.#rate('pushedBytes', RATE_MS),
      commits: this.#rate('commits', RATE_MS),
      growth: this.#rate('used', TREND_MS, LEAST_TREND_MS),
    }
  }

  #rate(what: Counter, ms: number, leastMs = LEAST_MS): number | undefined {
    const newest = this.#length - 1
    if (newest < 0) return undefined
    const from = this.#number(newest, 'at') - ms
    let first: number | undefined
    for (let index = newest; index >= 0 && this.#number(index, 'at') >= from; index--)
      if (!Number.isNaN(this.#number(index, what))) first = index
    return first === undefined || this.#number(newest, 'at') - this.#number(first, 'at') < leastMs
      ? undefined
      : rateBetween(this.#point(first), this.#point(newest), what)
  }

  #makeRoom(): void {
    if (this.#length === MOST_POINTS) {
      this.#first = (this.#first + 1) % MOST_POINTS
      this.#length--
    } else if (this.#length * FIELDS.length === this.#numbers.length) {
      const points = Math.min(MOST_POINTS, 2 * this.#length)
      const grown = new Float64Array(points * FIELDS.length)
      grown.set(this.#numbers)
      this.#numbers = grown
    }
  }

  /** The index of a point's first number. */
  #startOf(index: number): number {
    return ((this.#first + index) % MOST_POINTS) * FIELDS.length
  }

  #number(index: number, field: (typeof FIELDS)[number]): number {
    return this.#numbers[this.#startOf(index) + FIELDS.indexOf(field)] ?? Number.NaN
  }

  #point(index: number): Point {
    const known = (field: (typeof FIELDS)[number]): number | null => {
      const value = this.#number(index, field)
      return Number.isNaN(value) ? null : value
    }
    const at = this.#number(index, 'at')
    return { ...(fieldsOf(known) as Omit<Point, 'at'>), at }
  }
}

/** Counts that grow as a ring is used. */
export type Counter = 'pushed' | 'acknowledged' | 'pushedBytes' | 'commits' | 'used'

/** The rate of a counter between two points, per second. */
export function rateBetween(first: Point, last: Point, what: Counter): number | undefined {
  const [from, to] = [first[what], last[what]]
  const ms = last.at - first.at
  if (from === null || to === null || ms < LEAST_MS) return undefined
  const grown = what === 'pushedBytes' ? bytesBetween(from, to) : to - from
  return (grown / ms) * 1000
}

function pointOf(snapshot: Snapshot, at: number): Point {
  if (!isSeen(snapshot)) return { ...NOTHING, at }
  const { log, stats, waitingItems, producer, consumer } = snapshot
  const since = (time: number | undefined): number | null =>
    time === undefined ? null : Math.max(0, snapshot.at - time)
  return {
    at,
    used: log?.used ?? null,
    waiting: waitingItems ?? null,
    pushed: stats?.committedItems ?? null,
    acknowledged: stats?.acknowledgedItems ?? null,
    pushedBytes: stats?.committedBytes ?? null,
    commits: stats?.commits ?? null,
    age: waitedOf(snapshot) ?? (waitingItems === 0 ? 0 : null),
    producerWriteAge: since(producer.writtenAt),
    consumerWriteAge: since(consumer.writtenAt),
  }
}

/** An object with each number of a point. */
function fieldsOf(value: (field: (typeof FIELDS)[number]) => number | null): object {
  return Object.fromEntries(FIELDS.map((field) => [field, value(field)]))
}

const NOTHING = fieldsOf(() => null) as Omit<Point, 'at'>
