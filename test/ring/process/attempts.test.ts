import { describe, expect, test } from 'vitest'
import { text } from '../../../src/codec/index.ts'
import type { Handler } from '../../../src/ring/queue/process/types.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { drain, filled, gate, itemsOf, open, published } from './scene.ts'

describe('handlers', () => {
  test('run side by side, as many as there may be, and each item is acknowledged', async () => {
    const names = Array.from({ length: 100 }, (_, n) => `item ${n}`)
    const device = await filled(names)
    let now = 0
    let most = 0
    const handled: string[] = []
    const summary = await drain(
      device,
      async (item) => {
        most = Math.max(most, ++now)
        await new Promise((resolve) => setImmediate(resolve))
        handled.push(item)
        now--
      },
      { concurrency: 8 },
    )
    expect(most).toBe(8)
    expect(handled.sort()).toEqual(names.sort())
    expect(summary).toMatchObject({ handled: 100, failedAttempts: 0, abandoned: 0 })
    expect(await itemsOf(device)).toEqual([])
  })

  test('that are slow hold up no other, and their items come again after a crash', async () => {
    const device = await filled(['slow', 'a', 'b', 'c'])
    const reader = await open(device)
    const { opened } = gate()
    const stop = new AbortController()
    const handled: string[] = []
    const handler: Handler<string> = (item) => {
      handled.push(item)
      if (handled.length === 4) stop.abort()
      return item === 'slow' ? opened : undefined
    }
    const options = { concurrency: 2, graceMs: 0, signal: stop.signal }
    expect(await reader.process(handler, options)).toMatchObject({ handled: 3, abandoned: 1 })
    await reader.close()
    expect(await itemsOf(device)).toEqual(['slow', 'a', 'b', 'c'])
    const again: string[] = []
    await drain(device, (item) => again.push(item))
    expect(again).toEqual(['slow', 'a', 'b', 'c'])
  })

  test('learn whether the item may have been handled before', async () => {
    const device = await filled(['old'])
    await using reader = await open(device)
    await using writer = await RingWriter.open(device, { codec: text })
    const stop = new AbortController()
    const seen: unknown[] = []
    const running = reader.process(
      async (item, { attempt, mayHaveRun, position, number, pushedAt }) => {
        seen.push({ item, attempt, mayHaveRun, known: [typeof position, number, typeof pushedAt] })
        if (item === 'old') await writer.push('new')
        if (item === 'new' && attempt === 2) stop.abort()
        else if (item === 'new') throw new Error('once more')
      },
      { signal: stop.signal, backoff: { firstMs: 0, maxMs: 0 } },
    )
    await running
    const known = (number: number) =>
      reader.consumer.format === 1
        ? ['bigint', undefined, 'undefined']
        : ['bigint', number, 'number']
    expect(seen).toEqual([
      { item: 'old', attempt: 1, mayHaveRun: true, known: known(1) },
      { item: 'new', attempt: 1, mayHaveRun: false, known: known(2) },
      { item: 'new', attempt: 2, mayHaveRun: true, known: known(2) },
    ])
  })
})

describe('an attempt that fails', () => {
  test('is made again after a pause that doubles, and takes no turn from others', async () => {
    const clock = new FakeClock()
    const device = await filled(['bad', 'a', 'b'])
    const reader = await open(device, { clock })
    const calls: [string, number][] = []
    const running = reader.process(
      (item, { attempt }) => {
        calls.push([item, clock.now()])
        if (item === 'bad' && attempt < 4) throw new Error('not yet')
      },
      { untilEmpty: true, backoff: { firstMs: 100, maxMs: 250 }, random: () => 1 },
    )
    await clock.advance(99)
    expect(calls).toEqual([
      ['bad', 0],
      ['a', 0],
      ['b', 0],
    ])
    await clock.advance(1000)
    expect(await running).toMatchObject({ handled: 3, failedAttempts: 3 })
    expect(calls.slice(3)).toEqual([
      ['bad', 100],
      ['bad', 300],
      ['bad', 550],
    ])
    await reader.close()
  })

  test.each<[string, (job: Parameters<Handler<string>>[1]) => unknown, number]>([
    [
      'throws',
      () => {
        throw new Error('no')
      },
      100,
    ],
    ['rejects', () => Promise.reject(new Error('no')), 100],
    ['answers retry', (job) => job.retry(), 100],
    [
      'asks for a retry and does not return it',
      (job) => {
        job.retry()
      },
      100,
    ],
    ['answers retry with a pause', (job) => job.retry({ afterMs: 7 }), 7],
  ])('%s', async (_, fail, pauseMs) => {
    const clock = new FakeClock()
    const reader = await open(await filled(['a']), { clock })
    const at: number[] = []
    const running = reader.process(
      (_item, job) => {
        at.push(clock.now())
        return job.attempt === 1 ? fail(job) : undefined
      },
      { untilEmpty: true, backoff: { firstMs: 100 }, random: () => 1 },
    )
    await clock.advance(1000)
    await running
    expect(at).toEqual([0, pauseMs])
    await reader.close()
  })

  test.each([
    'retry',
    'giveUp',
    { what: 'giveUp', reason: 'x' },
    { what: 'retry' },
    { error: 'x' },
  ])('is not one where a handler returns %o', async (answer) => {
    const device = await filled([JSON.stringify(answer)])
    const summary = await drain(device, (item) => JSON.parse(item))
    expect(summary).toMatchObject({ handled: 1, failedAttempts: 0 })
  })

  test('without a dead letter ring ends processing at the limit; the item stays, and a new call delivers it', async () => {
    const device = await filled(['a', 'bad', 'c'])
    const reader = await open(device)
    const cause = new Error('cannot be done')
    const handler: Handler<string> = (item) => {
      if (item === 'bad') throw cause
    }
    const options = { attempts: 3, backoff: { firstMs: 0, maxMs: 0 } }
    const error = await reader.process(handler, options).catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'WORK_GIVEN_UP', details: { attempts: 3 }, cause })
    const seen: string[] = []
    await reader.process((item) => seen.push(item), { untilEmpty: true })
    expect(seen).toContain('bad')
    expect(seen).not.toContain('a')
    await reader.close()
    expect(await itemsOf(device)).toEqual([])
  })
})

describe('attempts across crashes', () => {
  test('count, even one that ended the program', async () => {
    const device = await filled(['bad', 'b'])
    const store = new Map<string, number>()
    const tried: number[] = []
    const letters: unknown[] = []
    for (let run = 0; run < 4; run++) {
      const reader = await open(device)
      const stop = new AbortController()
      const handler: Handler<string> = (item, { attempt }) => {
        if (item !== 'bad') return undefined
        tried.push(attempt)
        // The program ends in the middle of it.
        stop.abort()
        return new Promise(() => undefined)
      }
      const how = { attempts: 3, attemptStore: store, graceMs: 0, untilEmpty: true }
      await reader.process(handler, {
        ...how,
        signal: stop.signal,
        deadLetter: async ({ item, attempts, error }) => void letters.push([item, attempts, error]),
      })
      await reader.close()
    }
    expect(tried).toEqual([1, 2, 3])
    expect(letters).toEqual([['bad', 3, new Error('the program ended during attempt 3')]])
    expect(await itemsOf(device)).toEqual([])
    expect(store.size).toBe(0)
  })

  test('call no handler once processing was stopped, however late the store answers', async () => {
    const device = await filled(['a'])
    await using reader = await open(device)
    const stop = new AbortController()
    const { opened, open: answer } = gate()
    let handled = 0
    const running = reader.process(() => handled++, {
      signal: stop.signal,
      graceMs: 0,
      attemptStore: {
        get: () => undefined,
        set: () => {
          stop.abort()
          return opened
        },
        delete: () => undefined,
      },
    })
    await running
    answer()
    await new Promise((resolve) => setImmediate(resolve))
    expect(handled).toBe(0)
    expect(await itemsOf(device)).toEqual(['a'])
  })

  test('make no attempt while the store fails, which is asked again', async () => {
    const device = await filled(['a'])
    let failures = 2
    const calls: number[] = []
    const store = new Map<string, number>()
    const events = await published(() =>
      drain(device, (_item, { attempt }) => calls.push(attempt), {
        attemptStore: {
          get: (key) => store.get(key),
          set: (key, count) => {
            if (failures-- > 0) throw new Error('the database is away')
            store.set(key, count)
          },
          delete: (key) => store.delete(key),
        },
      }),
    )
    expect(calls).toEqual([1])
    expect(events.map(({ event }) => event)).toEqual(['retried', 'retried', 'handled'])
  })
})

describe('onFailed', () => {
  test('is told of each attempt that fails, with its error', async () => {
    const device = await filled(['a', 'b'])
    const told: unknown[] = []
    const done = await drain(
      device,
      (item, job) => {
        if (item === 'a' && job.attempt < 3) throw new Error(`attempt ${job.attempt}`)
        return item === 'b' && job.attempt === 1 ? job.retry({ reason: 'not yet' }) : undefined
      },
      {
        onFailed: (error, { what, attempt, device: name }) =>
          told.push([what, attempt, error instanceof Error ? error.message : error, name]),
      },
    )
    expect(done).toMatchObject({ handled: 2, failedAttempts: 3 })
    expect(told).toEqual([
      ['handler', 1, 'attempt 1', device.name],
      ['handler', 1, 'not yet', device.name],
      ['handler', 2, 'attempt 2', device.name],
    ])
  })

  test('is told of a dead letter that cannot be handed over, and of an attempt store that fails', async () => {
    const told: unknown[] = []
    let tries = 0
    let reads = 0
    await drain(await filled(['a']), (_, job) => job.giveUp('bad'), {
      deadLetter: async () => {
        if (++tries < 3) throw new Error('full')
      },
      attemptStore: {
        get: () => {
          if (++reads === 1) throw new Error('no store')
          return undefined
        },
        set: () => undefined,
        delete: () => undefined,
      },
      onFailed: (error, { what, attempt }) =>
        told.push([what, attempt, error instanceof Error ? error.message : error]),
    })
    expect(told).toEqual([
      ['attemptStore', 1, 'no store'],
      ['handler', 1, 'bad'],
      ['deadLetter', 1, 'full'],
      ['deadLetter', 2, 'full'],
    ])
  })

  test('ends process with what it throws; the item stays in the ring', async () => {
    const device = await filled(['a', 'b'])
    const handled = drain(
      device,
      () => {
        throw new Error('no')
      },
      {
        onFailed: (error) => {
          throw new Error('enough', { cause: error })
        },
      },
    )
    await expect(handled).rejects.toThrow('enough')
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })
})
