import { expect, test } from 'vitest'
import {
  type Task as ScheduledTask,
  type ScheduledWork,
  Scheduler,
  type SchedulerLimits,
  type Verdict,
} from '../../src/tasks/scheduler.ts'
import { Turns } from '../../src/tasks/turns.ts'
import { deferred } from '../../src/util/deferred.ts'
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
      storedBytes: fc.integer({ min: 0, max: 10 }),
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

/** What a scheduler of tasks that arrive as such works with. */
type Parts<T extends ScheduledTask> = Omit<ScheduledWork<T>, 'taskOf'> &
  SchedulerLimits & { readonly clock: FakeClock }

function schedulerOf<T extends ScheduledTask>(parts: Parts<T>): Scheduler<T> {
  return new Scheduler({ taskOf: (task: T) => task, ...parts }, parts.clock, parts)
}

test('tasks are attempted in the order of their keys, within all bounds, and none after the scheduler stops', async () => {
  await fc.assert(
    fc.asyncProperty(plan, async ({ jobs, concurrency, maxHeld, maxHeldBytes, stopMs }) => {
      const clock = new FakeClock()
      const waiting: Task[] = jobs.map((job, n) => ({ ...job, name: `${n}`, attempts: 0 }))
      /** Those that were taken and have not ended, in the order in which their keys have to see them. */
      let open: Task[] = []
      const running = new Set<Task>()
      const ended: string[] = []
      let stopped = false
      const scheduler: Scheduler<Task> = schedulerOf<Task>({
        ...{ clock, concurrency, maxHeld, maxHeldBytes },
        next: async (most) => {
          const held = open.reduce((sum, { storedBytes }) => sum + storedBytes, 0)
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

test('an attempt that throws ends the scheduler, once the others have ended', async () => {
  const clock = new FakeClock()
  const tasks = ['slow', 'bad', 'never'].map((name) => ({ name, key: undefined, storedBytes: 1 }))
  const attempted: string[] = []
  const scheduler = schedulerOf({
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

test('tasks taken before the end are attempted, even if they have to wait for a turn', async () => {
  const turns = new Turns(1)
  turns.take(() => undefined)
  const tasks = ['one', 'other', 'third'].map((name) => ({ name, key: undefined, storedBytes: 1 }))
  const attempted: string[] = []
  const scheduler = schedulerOf({
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

interface Numbered extends ScheduledTask {
  readonly number: number
}

/** What most schedulers of these tests have in common: tasks that are numbers, and all there from the beginning. */
function counting(count: number, attempt: (number: number) => unknown): Parts<Numbered> {
  const tasks = Array.from({ length: count }, (_, number) => ({
    number,
    key: undefined,
    storedBytes: 1,
  }))
  return {
    ...{ clock: new FakeClock(), concurrency: 2, maxHeld: Infinity, maxHeldBytes: Infinity },
    next: async (most: number) => tasks.splice(0, most),
    attempt: (task) => attempt(task.number),
    conclude: () => undefined,
    failed: (_: unknown, error: unknown) => {
      throw error
    },
  }
}

test('attempts that end at once are made in bursts, between which others have their turn', async () => {
  const order: string[] = []
  const turns = new Turns(2)
  const of = (name: string) =>
    schedulerOf({ ...counting(1000, () => order.push(name)), turns }).run()
  let hops = 0
  let going = true
  const others = async (): Promise<void> => {
    for (; going; hops++) await undefined
  }
  const watching = others()
  await Promise.all([of('one'), of('other')])
  going = false
  await watching
  expect(order).toHaveLength(2000)
  let run = 0
  let longest = 0
  for (const [at, name] of order.entries()) {
    run = name === order[at - 1] ? run + 1 : 1
    longest = Math.max(longest, run)
  }
  // A second one, if more tasks come right after the first.
  expect(longest).toBeLessThanOrEqual(2 * 64)
  expect(hops).toBeLessThan(200)
})

test('many schedulers pass one turn around without a deep stack', async () => {
  const turns = new Turns(1)
  let attempts = 0
  const all = Array.from({ length: 1000 }, () =>
    schedulerOf({ ...counting(20, () => void attempts++), turns }).run(),
  )
  await Promise.all(all)
  expect(attempts).toBe(20_000)
  expect(turns.take(() => undefined)).toBe(true)
})

test('any thenable that an attempt returns is awaited', async () => {
  const answers: unknown[] = []
  const thenable = (target: object, value: unknown): object => {
    Reflect.set(target, 'then', (resolve: (value: unknown) => void) => void resolve(value))
    return target
  }
  const given = [
    ...['at once', Promise.resolve('of a promise'), thenable({}, 'of a thenable')],
    ...[thenable(() => undefined, 'of a function'), undefined, null, 7],
  ]
  await schedulerOf({
    ...counting(given.length, (number) => given[number]),
    concurrency: 1,
    conclude: (_, answer) => void answers.push(answer),
  }).run()
  expect(answers).toEqual([
    ...['at once', 'of a promise', 'of a thenable', 'of a function', undefined, null, 7],
  ])
})

test('a synchronous failure and a later one have the same effect', async () => {
  const failures: unknown[] = []
  await schedulerOf({
    ...counting(4, (number) => {
      const error = new Error(`${number}`)
      if (number % 2 === 0) throw error
      return Promise.reject(error)
    }),
    failed: (_, error) => void failures.push(error),
  }).run()
  expect(failures.map(String).sort()).toEqual(['Error: 0', 'Error: 1', 'Error: 2', 'Error: 3'])
})

test('no attempt starts after one stopped the scheduler, not even in the same burst', async () => {
  let attempts = 0
  const scheduler: Scheduler<Numbered> = schedulerOf(
    counting(100, () => {
      if (++attempts === 10) scheduler.stop(undefined)
    }),
  )
  await scheduler.run()
  expect(attempts).toBe(10)
})

test('a turn that was given to a stopped scheduler goes to the next one', async () => {
  const turns = new Turns(1)
  turns.take(() => undefined)
  let attempts = 0
  const scheduler = schedulerOf({ ...counting(3, () => void attempts++), turns })
  const running = scheduler.run()
  await new Promise((resolve) => setImmediate(resolve))
  let hasTurn = false
  turns.take(() => {
    hasTurn = true
  })
  turns.give()
  scheduler.stop(undefined)
  await running
  expect([attempts, hasTurn]).toEqual([0, true])
})

test('a task whose making stopped the scheduler is not attempted, and its turn is passed on', async () => {
  const turns = new Turns(1)
  let attempts = 0
  const parts = { ...counting(9, () => void attempts++), turns }
  const scheduler = new Scheduler<Numbered>(
    {
      ...parts,
      taskOf: (task) => {
        if (task.number === 3) scheduler.stop(undefined)
        return task
      },
    },
    parts.clock,
    parts,
  )
  await scheduler.run()
  expect(attempts).toBe(3)
  expect(scheduler.held).toBe(6)
  expect(turns.take(() => undefined)).toBe(true)
})

test('as many tasks are taken as have room, and more before the last of them has its turn', async () => {
  const asked: { most: number; begun: number }[] = []
  let begun = 0
  const parts = counting(300, () => void begun++)
  const next: typeof parts.next = async (most, stop) => {
    asked.push({ most, begun })
    return (await parts.next(100, stop)).slice(0, most)
  }
  await schedulerOf({ ...parts, next, maxHeld: 250, concurrency: 1 }).run()
  expect(begun).toBe(300)
  // The second time, 36 of the first hundred wait for the next burst, and have room beside them.
  expect(asked.slice(0, 2)).toEqual([
    { most: 250, begun: 0 },
    { most: 214, begun: 64 },
  ])
})

test('tasks of one key that arrive together wait for each other, and let those of others pass', async () => {
  const gates = Array.from({ length: 4 }, () => deferred<void>())
  const order: string[] = []
  const tasks = ['a', 'a', 'a', 'b'].map((key, number) => ({ number, key, storedBytes: 1 }))
  const running = schedulerOf<Numbered>({
    ...counting(0, () => undefined),
    next: async () => tasks.splice(0),
    attempt: ({ key, number }) => {
      order.push(`${String(key)}${number}`)
      return gates[number]?.promise
    },
  }).run()
  await new Promise((resolve) => setImmediate(resolve))
  expect(order).toEqual(['a0', 'b3'])
  for (const { resolve } of gates) resolve()
  await running
  expect(order).toEqual(['a0', 'b3', 'a1', 'a2'])
})

test('tasks that keep failing and tasks that arrive do not starve each other', async () => {
  const clock = new FakeClock()
  const attempts: number[] = []
  const scheduler: Scheduler<Numbered> = schedulerOf({
    ...counting(40, async (number) => {
      attempts.push(number)
      await clock.sleep(5)
    }),
    ...{ clock, concurrency: 1 },
    conclude: ({ number }) => (number < 3 ? { againAfterMs: 1 } : undefined),
  })
  const running = scheduler.run()
  await clock.advance(5 * 100)
  const others = attempts.filter((number) => number >= 3)
  expect(others).toEqual(Array.from({ length: 37 }, (_, at) => at + 3))
  const again = attempts.slice(0, 60).filter((number) => number < 3)
  expect(again.length).toBeGreaterThanOrEqual(20)
  scheduler.stop(undefined)
  await clock.advance(5)
  await running
})
