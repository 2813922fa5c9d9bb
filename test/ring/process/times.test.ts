import { describe, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../../src/clock.ts'
import { HandlerTimes } from '../../../src/ring/queue/process/handler-times.ts'
import type { Handler, ProcessOptions, WorkEvent } from '../../../src/ring/queue/process/types.ts'
import { drain, filled, published } from './scene.ts'

/** Time that passes only when it is told to; counts how often it is asked for. */
class CountedClock implements Clock {
  ms = 0
  readings = 0

  now(): number {
    this.readings++
    return this.ms
  }

  time(): number {
    return systemClock.time()
  }

  sleep(...call: Parameters<Clock['sleep']>): Promise<void> {
    return systemClock.sleep(...call)
  }
}

type Handled = Extract<WorkEvent, { readonly event: 'handled' }>

async function timesOf(
  names: readonly string[],
  handler: (clock: CountedClock) => Handler<string>,
  options: ProcessOptions<string> = {},
): Promise<{ clock: CountedClock; events: WorkEvent[]; durations: Record<string, number> }> {
  const clock = new CountedClock()
  const device = await filled(names)
  const events = await published(() => drain(device, handler(clock), options, { clock }))
  const handled = events.filter((event): event is Handled => event.event === 'handled')
  const durations = handled.flatMap(({ entries, succeeded: attempts }) => {
    const each = attempts.flatMap(({ count, durationMs }) => Array(count).fill(durationMs))
    expect(each).toHaveLength(entries.length)
    return entries.map((entry, at) => [(entry as { item?: string }).item, each[at]])
  })
  return { clock, events, durations: Object.fromEntries(durations) }
}

const names = Array.from({ length: 400 }, (_, index) => `item ${index}`)

describe('the time of handlers', () => {
  test('is taken once for many that take microseconds', async () => {
    const { clock, events, durations } = await timesOf(names, (clock) => () => {
      clock.ms += 0.001
    })
    expect(Object.keys(durations)).toEqual(names)
    const sum = Object.values(durations).reduce((total, ms) => total + ms, 0)
    expect(sum).toBeCloseTo(0.4)
    const { readings } = clock
    expect(readings).toBeLessThan(names.length / 2)
    // A message for all that were acknowledged together.
    expect(events.length).toBeLessThan(names.length / 10)
  })

  test('is taken for each if they take longer', async () => {
    const { durations } = await timesOf(names.slice(0, 100), (clock) => (name) => {
      clock.ms += Number(name.slice(5)) + 1
    })
    for (const [name, ms] of Object.entries(durations)) expect(ms).toBe(Number(name.slice(5)) + 1)
    expect(Object.keys(durations)).toHaveLength(100)
  })

  test('is averaged over at most 32 if one takes long after quick ones, and the next are timed one by one', async () => {
    const { durations } = await timesOf(names.slice(0, 128), (clock) => (name) => {
      clock.ms += name === 'item 60' ? 16 : 0
    })
    const slow = Object.entries(durations).filter(([, ms]) => ms > 0)
    expect(slow.map(([name]) => name)).toContain('item 60')
    expect(slow.length).toBeLessThanOrEqual(32)
    expect(slow.reduce((sum, [, ms]) => sum + ms, 0)).toBeCloseTo(16)
  })

  test('ends with their promise, however many run meanwhile', async () => {
    const takes: Record<string, number> = { a: 1, b: 2, c: 3, d: 4 }
    const { durations } = await timesOf(
      Object.keys(takes),
      (clock) => async (name) => {
        clock.ms += 10
        await undefined
        clock.ms += takes[name] ?? 0
      },
      { concurrency: 4 },
    )
    // Each begins when the one before has come to its await; all that follows has ended when their answers come.
    expect(durations).toEqual({ a: 50, b: 40, c: 30, d: 20 })
  })

  test('is taken up to a failure too, and with an attempt store', async () => {
    for (const attemptStore of [undefined, new Map<string, number>()]) {
      const { events, durations } = await timesOf(
        ['good', 'bad', 'fine'],
        (clock) => (name, job) => {
          clock.ms += 5
          if (name === 'bad' && job.attempt === 1) throw new Error('no')
        },
        attemptStore && { attemptStore },
      )
      const failed = events.filter(({ event }) => event === 'failed')
      expect(failed).toMatchObject([{ durationMs: 5, attempt: 1 }])
      expect(durations).toEqual({ good: 5, bad: 5, fine: 5 })
    }
  })
})

test('is not taken for a handler that was called while nobody listened', () => {
  const clock = new CountedClock()
  const told: number[] = []
  const times = new HandlerTimes(clock, (ms) => told.push(ms))
  clock.ms = 7
  expect(times.end(undefined)).toBe(0)
  expect(times.endNow(undefined)).toBe(0)
  times.rest()
  expect(told).toEqual([])
})
