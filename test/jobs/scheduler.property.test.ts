import { expect, test } from 'vitest'
import { type Task as ScheduledTask, Scheduler, type Verdict } from '../../src/jobs/scheduler.ts'
import { Turns } from '../../src/jobs/turns.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { fc, runs } from '../helpers/property.ts'

interface Task extends ScheduledTask {
  readonly name: string
  /** What becomes of each attempt; of all further ones: it ends. */
  readonly fates: readonly Fate[]
  readonly takesMs: number
  attempts: number
}

type Fate = { readonly pauseMs: number } | { readonly parts: number }

const fate = fc.oneof(
  fc.record({ pauseMs: fc.integer({ min: 0, max: 9 }) }),
  fc.record({ parts: fc.integer({ min: 0, max: 3 }) }),
)
const plan = fc.record({
  jobs: fc.array(
    fc.record({
      key: fc.option(fc.integer({ min: 0, max: 2 }), { nil: undefined }),
      bytes: fc.integer({ min: 0, max: 10 }),
      takesMs: fc.integer({ min: 0, max: 5 }),
      fates: fc.array(fate, { maxLength: 3 }),
    }),
    { maxLength: 30 },
  ),
  concurrency: fc.integer({ min: 1, max: 4 }),
  maxHeld: fc.integer({ min: 1, max: 12 }),
  maxHeldBytes: fc.integer({ min: 1, max: 40 }),
  /** When it is stopped; undefined: never. */
  stopMs: fc.option(fc.integer({ min: 0, max: 40 }), { nil: undefined }),
})

test('jobs are attempted in the order of their keys, within all bounds, and none after it stops', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ jobs, concurrency, maxHeld, maxHeldBytes, stopMs }) => {
      const clock = new FakeClock()
      const waiting: Task[] = jobs.map((job, n) => ({ ...job, name: `${n}`, attempts: 0 }))
      /** Those that were taken and have not ended, in the order in which their keys have to see them. */
      let open: Task[] = []
      const running = new Set<Task>()
      const ended: string[] = []
      let stopped = false
      const scheduler: Scheduler<Task> = new Scheduler<Task>({
        ...{ clock, concurrency, maxHeld, maxHeldBytes },
        next: async (most) => {
          const held = open.reduce((sum, { bytes }) => sum + bytes, 0)
          expect(scheduler.held).toBe(open.length)
          expect(most).toBeLessThanOrEqual(maxHeld - open.length)
          expect(held).toBeLessThan(maxHeldBytes)
          const taken = waiting.splice(0, most)
          open.push(...taken)
          return taken
        },
        attempt: async (task) => {
          expect(stopped).toBe(false)
          expect(running.has(task)).toBe(false)
          const first = open.find(({ key }) => key === task.key)
          if (task.key !== undefined) expect(first).toBe(task)
          expect(open).toContain(task)
          running.add(task)
          expect(running.size).toBeLessThanOrEqual(concurrency)
          await clock.sleep(task.takesMs)
          running.delete(task)
        },
        conclude: (task): Verdict<Task> => {
          const next = task.fates[task.attempts++]
          if (next !== undefined && 'pauseMs' in next) return { againAfterMs: next.pauseMs }
          const parts = Array.from({ length: next?.parts ?? 0 }, (_, n): Task => {
            return { ...task, name: `${task.name}.${n}`, fates: [], attempts: 0 }
          })
          open = open.toSpliced(open.indexOf(task), 1, ...parts)
          if (parts.length === 0) ended.push(task.name)
          return { parts }
        },
        failed: (_, error) => {
          throw error
        },
      })
      const over = scheduler.run()
      over.catch(() => undefined)
      if (stopMs !== undefined) {
        await clock.advance(stopMs)
        stopped = true
        scheduler.stop(undefined)
      }
      await clock.advance(5000)
      await over
      expect(running.size).toBe(0)
      if (stopMs === undefined) {
        expect(open).toEqual([])
        expect(waiting).toEqual([])
        expect(ended.length).toBeGreaterThanOrEqual(jobs.length)
      }
    }),
    runs(60),
  )
})

test('what an attempt throws ends it, once the others have ended', async () => {
  const clock = new FakeClock()
  const tasks = ['slow', 'bad', 'never'].map((name) => ({ name, key: undefined, bytes: 1 }))
  const attempted: string[] = []
  const scheduler = new Scheduler({
    ...{ clock, concurrency: 2, maxHeld: 10, maxHeldBytes: 10 },
    next: async () => tasks.splice(0),
    attempt: async ({ name }) => {
      attempted.push(name)
      if (name === 'bad') throw new Error('it is bad')
      await clock.sleep(100)
    },
    conclude: () => undefined,
    failed: (_, error) => {
      throw error
    },
  })
  let failure: unknown
  const running = scheduler.run().catch((error: unknown) => {
    failure = error
  })
  await clock.advance(99)
  expect(failure).toBeUndefined()
  await clock.advance(1)
  await running
  expect(failure).toEqual(new Error('it is bad'))
  expect(attempted).toEqual(['slow', 'bad'])
})

test('what was taken before no more can be is attempted, also if it has to wait for a turn', async () => {
  const turns = new Turns(1)
  turns.take(() => undefined)
  const tasks = ['one', 'other', 'third'].map((name) => ({ name, key: undefined, bytes: 1 }))
  const attempted: string[] = []
  const scheduler = new Scheduler({
    ...{ clock: new FakeClock(), concurrency: 2, maxHeld: 10, maxHeldBytes: 10, turns },
    next: async () => {
      if (tasks.length === 0) throw new Error('the next one is bad')
      return tasks.splice(0)
    },
    attempt: ({ name }) => attempted.push(name),
    conclude: () => undefined,
    failed: (_, error) => {
      throw error
    },
  })
  const running = scheduler.run()
  running.catch(() => undefined)
  await new Promise((resolve) => setImmediate(resolve))
  expect(attempted).toEqual([])
  turns.give()
  await expect(running).rejects.toThrow('bad')
  expect(attempted).toEqual(['one', 'other', 'third'])
  expect(turns.take(() => undefined)).toBe(true)
})
