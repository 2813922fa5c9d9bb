import { expect, test } from 'vitest'
import { type AnswerName, answersOf, leadOf } from '../../src/picture/answers.ts'
import { History, MOST_POINTS, type Point, type Rates } from '../../src/picture/history.ts'
import type { RingSeen } from '../../src/picture/snapshot.ts'
import { RECORD } from '../helpers/lease-record.ts'
import { RING } from './rings.ts'

function answer(ring: RingSeen, name: AnswerName, rates?: Partial<Rates>): string {
  const all = {
    pushed: undefined,
    acknowledged: undefined,
    pushedBytes: undefined,
    commits: undefined,
    growth: undefined,
  }
  const found = answersOf(ring, rates && { ...all, ...rates }).find((one) => one.name === name)
  return `${found?.mood}: ${found?.text}`
}

const FREE = RING.data.bytes - (RING.log?.used ?? 0)

test('the six questions have an answer', () => {
  expect(answer(RING, 'waiting')).toBe('plain: 5,000 items, 10 MiB; 25% full')
  expect(answer(RING, 'since')).toBe('plain: 1 m, from 2023-11-14T22:12:20.000Z on')
  expect(answer(RING, 'consumer')).toBe(
    'bad: nobody on this machine (last: jobs used by worker); last wrote 200 ms ago',
  )
  expect(answer(RING, 'producer')).toBe(
    'good: at work: client "gateway", process 17 on here; last wrote 100 ms ago',
  )
  const draining = { pushed: 10, acknowledged: 30, growth: -(16 << 20) / 100 }
  expect(answer(RING, 'drain', draining)).toBe('good: empty in 1 m 40 s; 30/s out, 10/s in')
  expect(answer(RING, 'damage')).toBe('good: none seen in the metadata')
  expect(answer(RING, 'full', { growth: FREE / 600 })).toBe('bad: in 10 m at this rate')
})

test('drain speed is said in words before numbers', () => {
  const at = (acknowledged: number, pushed: number, growth: number): string =>
    answer(RING, 'drain', { acknowledged, pushed, growth })
  expect(at(0, 5, 100)).toBe('bad: not draining; 0/s out, 5/s in')
  expect(at(0, 0, 0)).toBe('plain: not draining; 0/s out, 0/s in')
  expect(at(3, 5, 100)).toBe('bad: slower than it fills; 3/s out, 5/s in')
  // One item more or less is no trend.
  expect(at(40, 41, 7)).toBe('good: keeps up; 40/s out, 41/s in')
  const empty = { ...RING, waitingItems: 0, log: { head: 0, tail: 0, used: 0 } }
  expect(answer(empty, 'drain', { acknowledged: 5, pushed: 5, growth: 0 })).toBe(
    'plain: empty; 5/s out, 5/s in',
  )
})

test('a consumer that is there and acknowledges nothing is stuck, unless nothing waited for it', () => {
  const holder = { holder: 'client "mailer"', pid: 9, host: 'here' }
  const silent = { ...RING.consumer, holder, writtenAt: RING.at - 45_000 }
  expect(answer({ ...RING, consumer: silent }, 'consumer')).toBe(
    'bad: stuck: nothing acknowledged for 45 s by client "mailer", process 9 on here; last wrote 45 s ago',
  )
  const stats = { ...(RING.stats as NonNullable<RingSeen['stats']>), oldestAt: RING.at - 2000 }
  expect(answer({ ...RING, stats, consumer: silent }, 'consumer')).toMatch(/^good: at work: /)
})

test('the first words of an answer are enough', () => {
  const leads = answersOf(RING, undefined).map((one) => leadOf(one))
  expect(leads.slice(0, 4)).toEqual([
    ['5,000 items', '10 MiB; 25% full'],
    ['1 m', 'from 2023-11-14T22:12:20.000Z on'],
    ['at work', 'client "gateway", process 17 on here; last wrote 100 ms ago'],
    ['nobody on this machine', '(last: jobs used by worker); last wrote 200 ms ago'],
  ])
})

test('a ring that will be full within the hour is reported', () => {
  expect(answer(RING, 'full', { growth: 0 })).toBe('good: not within the hour: it does not grow')
  expect(answer(RING, 'full', { growth: FREE / 7200 })).toBe(
    'good: not within the hour: in 2 h at this rate',
  )
  expect(answer(RING, 'full', {})).toBe('plain: being measured')
  const full = { ...RING, log: { head: 0, tail: 0, used: RING.data.bytes } }
  expect(answer(full, 'full', { growth: 0 })).toBe('bad: it is full')
  const ring = { ...(RING.ring as NonNullable<RingSeen['ring']>), onFull: 'overwrite' } as const
  expect(answer({ ...RING, ring }, 'full')).toBe('plain: never: it overwrites the oldest items')
})

test('a lease that is not renewed is no sign of life', () => {
  const lease = { ...RECORD, owner: 'host-a', timeoutMs: 30_000, time: RING.at - 3000 }
  const { text, writtenAt } = RING.consumer
  const held = { text, writtenAt: writtenAt ?? 0, lease }
  expect(answer({ ...RING, consumer: held }, 'consumer')).toMatch(/^good: at work: lease of host-a/)
  const silent = { ...held, lease: { ...lease, time: RING.at - 60_000 } }
  expect(answer({ ...RING, consumer: silent }, 'consumer')).toMatch(/^bad: silent: lease of host-a/)
})

/** A history, and what adds to it what was seen at a second. */
function historyOf(): { history: History; see: (at: number, items: number, used: number) => void } {
  const history = new History()
  const see = (at: number, committedItems: number, used: number): void => {
    const stats = { ...(RING.stats as NonNullable<RingSeen['stats']>), committedItems }
    // By the machine's clock, all of it was at one time.
    history.add({ ...RING, log: { head: 0, tail: 0, used }, stats }, at * 1000)
  }
  return { history, see }
}

test('rates come from the differences of snapshots, over the last ten seconds', () => {
  const { history, see } = historyOf()
  see(0, 0, 0)
  expect(history.rates.pushed).toBeUndefined()
  see(1, 5, 1000)
  expect(history.rates).toMatchObject({ pushed: 5, growth: undefined })
  for (let second = 2; second <= 30; second++) see(second, second * 5, second * 1000)
  expect(history.rates).toMatchObject({ pushed: 5, acknowledged: 0, growth: 1000 })
  // Another ring is there now.
  see(31, 3, 0)
  expect(history.points).toHaveLength(1)
})

test('the history begins again after a snapshot of a process whose clock is behind', () => {
  const { history, see } = historyOf()
  see(100, 5, 0)
  see(100, 6, 0)
  expect(history.points).toMatchObject([{ pushed: 5 }])
  see(40, 7, 0)
  see(41, 9, 0)
  expect(history.points).toMatchObject([{ pushed: 7 }, { pushed: 9 }])
  expect(history.rates.pushed).toBe(2)
})

test('of two snapshots a second, one a second is kept, and the newest', () => {
  const history = new History()
  for (let number = 0; number <= 1001; number++) {
    const [at, pushed] = [number * 499, number]
    const nothing = {
      used: null,
      waiting: null,
      acknowledged: null,
      pushedBytes: null,
      commits: null,
    }
    history.put({
      at,
      pushed,
      ...nothing,
      age: null,
      producerWriteAge: null,
      consumerWriteAge: null,
    })
    expect(history.last(1)).toMatchObject([{ at, pushed }])
  }
  const times = history.points.map(({ pushed }) => pushed)
  expect(times.slice(-4)).toEqual([996, 998, 1000, 1001])
  expect(times).toHaveLength(MOST_POINTS)
  expect(history.rates.pushed).toBeCloseTo(1000 / 499)
})

test('a snapshot as before makes a point once a second', () => {
  const history = new History()
  const dues = Array.from({ length: 10 }, (_, number) => {
    const at = 1000 + number * 500
    const isDue = history.isDue(at)
    if (isDue) history.add(RING, at)
    return isDue
  })
  expect(dues).toEqual(dues.map((_, number) => number % 2 === 0))
  expect(history.points).toHaveLength(5)
  // A clock that went back begins anew.
  expect(history.isDue(0)).toBe(true)
})

test('a history keeps the last points as they were, also what was unknown in them', () => {
  const history = new History()
  const all: Point[] = []
  for (let number = 0; number < 2 * MOST_POINTS + 7; number++) {
    const known = number % 3 === 0 ? null : number
    const point = { at: number * 1000, used: known, waiting: 1, pushed: number, acknowledged: null }
    all.push({
      ...point,
      pushedBytes: 2,
      commits: 3,
      age: known,
      producerWriteAge: 4,
      consumerWriteAge: null,
    })
    history.put(all.at(-1) as Point)
    if (number % 100 === 0) expect(history.points).toEqual(all.slice(-MOST_POINTS))
  }
  expect(history.points).toEqual(all.slice(-MOST_POINTS))
  expect(history.last(5)).toEqual(all.slice(-5))
})
