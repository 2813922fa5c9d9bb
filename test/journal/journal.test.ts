import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import { NO_CAPABILITIES } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { json } from '../../src/codec/index.ts'
import { BlockError } from '../../src/errors.ts'
import { isJournalError, Journal, type JournalEvent } from '../../src/journal/index.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { backoffAfter } from '../../src/tasks/backoff.ts'
import { collect } from '../helpers/collect.ts'
import { FORMAT } from '../helpers/format.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'
import { large, names, SECTORS, startRig, stateOf } from './helpers.ts'

/** Counts durable writes, and can fail them. */
class CountingDevice extends MemoryBlockDevice {
  durableWrites = 0
  broken = false

  override write(...args: Parameters<MemoryBlockDevice['write']>): Promise<void> {
    if (this.broken) {
      return Promise.reject(new BlockError('BLOCK_IO', 'cannot write', { device: this.name }))
    }
    if (args[2]?.durable === true) this.durableWrites++
    return super.write(...args)
  }
}

describe('push and perform', () => {
  test('operations are performed in order, and done when the consumer pointer is durable', async () => {
    const { journal, device, calls } = await startRig({ performIntervalMs: 1e9 })
    const receipts = await Promise.all(['a', 'b', 'c'].map((name) => journal.push(name)))
    const waiting = await collect((await inspectRing(device)).items())
    expect(receipts.map(({ position }) => position)).toEqual(
      waiting.map(({ position }) => position),
    )
    journal.performNow()
    await receipts[2]?.done
    expect(calls.flatMap(({ operations }) => operations)).toEqual(['a', 'b', 'c'])
    expect((await inspectRing(device)).consumer.position).toBe(receipts[2]?.position)
    await journal.close()
  })

  test('many concurrent pushes share one durable commit', async () => {
    const device = new CountingDevice({ sizeSectors: sectorsFor(61 * 512) })
    const { journal } = await startRig({ performIntervalMs: 1e9 }, device)
    const before = device.durableWrites
    await Promise.all(Array.from({ length: 500 }, (_, index) => journal.push(`op ${index}`)))
    // In format 1 the items, and the producer's pointer.
    expect(device.durableWrites - before).toBe(FORMAT === 1 ? 2 : 1)
    await journal.close()
  })

  test('operations pass through the codec', async () => {
    const seen: unknown[] = []
    const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
    await using journal = await Journal.open<{ id: number }>(
      device,
      async (operations) => {
        seen.push(...operations)
      },
      { codec: json(), createIfMissing: SMALL },
    )
    await (await journal.push({ id: 7 })).sync()
    expect(seen).toEqual([{ id: 7 }])
  })

  test('the context tells the attempt, and whether an operation may have run', async () => {
    const first = await startRig()
    first.behave(() => Promise.reject(new Error('down')))
    await first.journal.push('a')
    await first.clock.advance(5000)
    await first.journal.close()
    expect(first.calls).toMatchObject([
      { attempt: 1, mayHaveRun: false },
      { attempt: 2, mayHaveRun: true },
    ])
    const second = await startRig({}, first.device)
    await second.journal.sync()
    await (await second.journal.push('b')).done
    expect(second.calls).toMatchObject([
      { operations: ['a'], attempt: 1, mayHaveRun: true },
      { operations: ['b'], attempt: 1, mayHaveRun: false },
    ])
    await second.journal.close()
  })

  test('what is pushed during a replay is not mixed with it', async () => {
    const before = await startRig({ performIntervalMs: 1e9 })
    for (const name of ['a', 'b', 'c']) await before.journal.push(name)
    await before.journal.close()
    const options = { maxPerformItems: 2, refreshIntervalMs: 0 }
    const rig = await startRig(options, before.device, before.clock, async () => {
      if (rig.calls.length === 1) await rig.journal.push('new')
    })
    expect(rig.journal.status().pendingOperations).toBeUndefined()
    await rig.clock.settle()
    await rig.journal.sync()
    expect(rig.calls).toMatchObject([
      { operations: ['a', 'b'], mayHaveRun: true },
      { operations: ['c'], mayHaveRun: true },
      { operations: ['new'], mayHaveRun: false },
    ])
    await rig.journal.close()
  })

  test('a push that is aborted while it waits was not pushed', async () => {
    const { journal, clock, calls, behave } = await startRig()
    behave(() => Promise.reject(new Error('down')))
    const pushes = ['a', 'b'].map((name) => journal.push(large(name, 2)))
    const stop = new AbortController()
    const aborted = journal.push(large('never', 2), { signal: stop.signal })
    const behind = journal.push(large('c', 2))
    await clock.settle()
    stop.abort('changed my mind')
    await expect(aborted).rejects.toBe('changed my mind')
    behave(async () => undefined)
    await clock.advance(5000)
    await Promise.all([...pushes, behind])
    await journal.sync()
    const performed = calls.flatMap(({ operations }) => names(operations))
    expect(performed).not.toContain('never')
    expect(performed.at(-1)).toBe('c')
    await journal.close()
  })

  test('an operation that can never fit is refused, and the journal continues', async () => {
    const { journal } = await startRig()
    await expect(journal.push('x'.repeat(20_000))).rejects.toMatchObject({
      code: 'RING_ITEM_TOO_LARGE',
    })
    await expect(journal.push(7 as never)).rejects.toMatchObject({ code: 'CODEC_ENCODE' })
    await (await journal.push('a')).done
    await journal.close()
  })
})

describe('when to perform', () => {
  test('flush asks for it at once, sync only waits', async () => {
    const { journal, clock, calls } = await startRig({ performIntervalMs: 1e9 })
    const receipt = await journal.push('a')
    const synced = receipt.sync()
    await clock.advance(1000)
    expect(await stateOf(synced)).toBe('pending')
    receipt.performNow()
    await synced
    expect(calls).toHaveLength(1)
    await journal.close()
  })

  test('waiting can be aborted, and the operation is performed all the same', async () => {
    const { journal, clock, calls } = await startRig({ performIntervalMs: 100 })
    const receipt = await journal.push('a')
    const signal = AbortSignal.abort('enough')
    await expect(receipt.sync({ signal })).rejects.toBe('enough')
    await expect(journal.sync({ signal })).rejects.toBe('enough')
    await clock.advance(100)
    await receipt.done
    expect(calls).toHaveLength(1)
    await journal.close()
  })

  test('an infinite interval waits until the journal is full, then performs at once', async () => {
    const { journal, clock, calls } = await startRig({
      performIntervalMs: Number.POSITIVE_INFINITY,
    })
    await journal.sync()
    for (const name of ['a', 'b', 'c']) await journal.push(large(name, 3))
    await clock.advance(2 ** 33)
    expect(calls).toHaveLength(0)
    const { position } = await journal.push(large('d', 3))
    expect(calls.map(({ operations }) => names(operations))).toEqual([['a', 'b', 'c']])
    expect(journal.status()).toMatchObject({ pendingOperations: 1, queuedPushes: 0 })
    expect(position).toBeGreaterThan(0n)
    await journal.close()
  })

  test('room is found without looking, on a device that does not tell of changes', async () => {
    class Silent extends MemoryBlockDevice {
      override readonly capabilities = { ...NO_CAPABILITIES, claim: true }
    }
    const device = new Silent({ sizeSectors: SECTORS })
    const { journal, clock } = await startRig({ performIntervalMs: 1e9 }, device)
    const pushes = ['a', 'b', 'c', 'd', 'e'].map((name) => journal.push(large(name, 2)))
    await Promise.all(pushes)
    expect(clock.now()).toBe(0)
    await journal.close()
  })

  test('an idle journal has no timer', async () => {
    const { journal, clock, calls } = await startRig({ performIntervalMs: 5000 })
    // Format 2 brings its slots up to date once it is idle.
    await clock.advance(1000)
    expect(clock.sleepers).toBe(0)
    await journal.push('a')
    await clock.advance(1000)
    expect([clock.sleepers, calls.length]).toEqual([1, 0])
    await clock.advance(5000)
    expect([clock.sleepers, calls.length]).toEqual([0, 1])
    await journal.close()
  })
})

describe('retries', () => {
  test('pauses double up to the bound, with a random part between half and all', () => {
    const pauses = (random: number): number[] =>
      [1, 2, 3, 4, 5, 4000].map((attempt) =>
        backoffAfter(attempt, {
          ...{ firstMs: 100, maxMs: 1000 },
          random: () => random,
        }),
      )
    expect(pauses(1)).toEqual([100, 200, 400, 800, 1000, 1000])
    expect(pauses(0)).toEqual([50, 100, 200, 400, 500, 500])
  })

  test('continue forever, tell their state, and end with success', async () => {
    const { journal, clock, calls, behave } = await startRig({ backoff: { maxMs: 20_000 } })
    const down = new Error('down')
    behave(() => Promise.reject(down))
    const { done } = await journal.push('a')
    await clock.advance(100_000)
    expect(calls.map(({ at }) => at / 1000)).toEqual([0, 5, 15, 35, 55, 75, 95])
    expect(journal.status()).toEqual({
      state: 'running',
      pendingOperations: 1,
      pendingBytes: FORMAT === 1 ? 8 : 512,
      queuedPushes: 0,
      attempt: 7,
      lastError: down,
      nextRetryInMs: 15_000,
    })
    behave(async () => ({ error: null }))
    await clock.advance(15_000)
    await done
    expect(journal.status()).toMatchObject({
      pendingOperations: 0,
      attempt: 0,
      lastError: undefined,
    })
    await journal.close()
  })
})

describe('close', () => {
  test('aborts a perform under way, and counts what it still achieves', async () => {
    const { journal, clock, device, behave } = await startRig()
    behave(
      ({ signal }) =>
        new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve())),
    )
    const first = await journal.push('a')
    await clock.settle()
    const second = await journal.push('b')
    const closing = journal.close()
    await expect(second.done).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
    await first.done
    await closing
    expect((await inspectRing(device)).consumer.position).toBe(first.position)
  })

  test('does not wait forever for a perform that does not listen', async () => {
    const { journal, clock, device, calls, behave } = await startRig({ graceMs: 300 })
    let finish: () => void = () => undefined
    behave(
      () =>
        new Promise<void>((resolve) => {
          finish = resolve
        }),
    )
    const { done } = await journal.push('a')
    await clock.settle()
    const closing = journal.close()
    await clock.advance(299)
    expect(await stateOf(closing)).toBe('pending')
    await clock.advance(1)
    await closing
    await expect(done).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
    finish()
    await clock.settle()
    expect(await collect((await inspectRing(device)).items())).toHaveLength(1)
    expect(calls).toHaveLength(1)
    const next = await startRig({}, device)
    await next.journal.sync()
    expect(next.calls).toMatchObject([{ operations: ['a'], mayHaveRun: true }])
    await next.journal.close()
  })

  test.each([1, 2])(
    'does not count as a failure of the %i attempts that it interrupts',
    async (attempts) => {
      const letters: unknown[] = []
      const deadLetter = async (letter: unknown): Promise<void> => void letters.push(letter)
      const rig = await startRig({ attempts, deadLetter })
      const { journal, clock, device, behave } = rig
      behave(
        ({ signal }) =>
          new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
      )
      const { done } = await journal.push('a')
      await clock.settle()
      await journal.close()
      await expect(done).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
      expect(letters).toEqual([])
      expect(journal.status().lastError).toBeUndefined()
      expect(await collect((await inspectRing(device)).items())).toHaveLength(1)
    },
  )

  test('can be repeated, ends what comes later, and releases the roles', async () => {
    const { journal, device } = await startRig()
    await Promise.all([journal.close(), journal.close()])
    await journal.close()
    await journal.ended
    await expect(journal.push('a')).rejects.toMatchObject({ code: 'JOURNAL_CLOSED' })
    expect(journal.status().state).toBe('ended')
    await (await startRig({}, device)).journal.close()
  })

  test('of an idle journal leaves the pushed operation acknowledged for the next start', async () => {
    const { journal, device } = await startRig({ performIntervalMs: 1e9 })
    const pushing = journal.push('a')
    const closing = journal.close()
    const outcome = await pushing.then(
      () => 'pushed',
      (error: unknown) => (isJournalError(error) ? error.code : 'another error'),
    )
    await closing
    const expected = (await inspectRing(device)).usedBytes > 0 ? 'pushed' : 'JOURNAL_CLOSED'
    expect(outcome).toBe(expected)
  })
})

describe('a device that fails', () => {
  test('does not make close hang, even if it never answers', async () => {
    class Stuck extends MemoryBlockDevice {
      stuck = false
      protected override doWrite(...args: [number, readonly Uint8Array[]]): Promise<void> {
        return this.stuck ? new Promise(() => undefined) : super.doWrite(...args)
      }
    }
    const device = new Stuck({ sizeSectors: SECTORS })
    const { journal, clock } = await startRig({ graceMs: 100, performIntervalMs: 1e9 }, device)
    const { done } = await journal.push('a')
    device.stuck = true
    const settled = Promise.allSettled([journal.push('b'), journal.push('c'), done])
    await clock.settle()
    const closing = journal.close()
    await clock.advance(200)
    expect(await stateOf(closing)).toBe('resolved')
    expect(await settled).toMatchObject([
      { reason: { code: 'JOURNAL_DEVICE' } },
      { reason: { code: 'JOURNAL_DEVICE' } },
      { reason: { code: 'JOURNAL_CLOSED' } },
    ])
  })

  test('while a record is read ends the journal there, after the operations before it', async () => {
    const before = await startRig({ performIntervalMs: 1e9 })
    for (const name of ['a', 'b']) await before.journal.push(name)
    await before.journal.close()
    const [first] = await collect((await inspectRing(before.device)).items())
    // In format 1 the length of the second record, in format 2 the header of the second batch.
    const { at, byte, code } = {
      1: { at: 3, byte: 8, code: 'RING_CORRUPT' },
      2: { at: 89, byte: 8, code: 'RING_DAMAGED' },
    }[FORMAT]
    const sector = new Uint8Array(512)
    await before.device.read(at, [sector])
    sector.fill(0xff, byte, byte + 4)
    await before.device.write(at, [sector])
    const { journal, calls } = await startRig({}, before.device)
    await expect(journal.sync()).rejects.toMatchObject({ code: 'JOURNAL_DEVICE', cause: { code } })
    expect(calls.map(({ operations }) => operations)).toEqual([['a']])
    expect((await inspectRing(before.device)).consumer.position).toBe(first?.position)
  })

  test('during a push ends the journal, and the next start continues', async () => {
    const device = new CountingDevice({ sizeSectors: SECTORS })
    const { journal } = await startRig({ performIntervalMs: 1e9 }, device)
    const { done } = await journal.push('a')
    device.broken = true
    const failed = { code: 'JOURNAL_DEVICE', cause: { code: 'BLOCK_IO' } }
    await expect(journal.push('b')).rejects.toMatchObject(failed)
    await expect(done).rejects.toMatchObject(failed)
    await expect(journal.ended).rejects.toMatchObject(failed)
    device.broken = false
    const next = await startRig({}, device)
    await next.journal.sync()
    expect(next.calls[0]?.operations[0]).toBe('a')
    await next.journal.close()
  })

  test('while the consumer pointer is written leaves the operation for the next start', async () => {
    const device = new CountingDevice({ sizeSectors: SECTORS })
    const { journal, behave } = await startRig({}, device)
    behave(async () => {
      device.broken = true
    })
    const { done } = await journal.push('a')
    await expect(done).rejects.toMatchObject({ code: 'JOURNAL_DEVICE' })
    device.broken = false
    const next = await startRig({}, device)
    await next.journal.sync()
    expect(next.calls).toMatchObject([{ operations: ['a'], mayHaveRun: true }])
    await next.journal.close()
  })
})

test('what happens is published', async () => {
  const events: unknown[] = []
  const listen = (message: unknown): void => void events.push(message)
  subscribe('shared-block-ring:journal', listen)
  try {
    const options = { queue: 'orders', attempts: 2, deadLetter: async () => {} }
    const { journal, clock, behave } = await startRig(options)
    behave(async ({ operations }) => (operations[0] === 'bad' ? { error: 'no' } : undefined))
    await (await journal.push('good')).done
    await journal.push('bad')
    await clock.advance(5000)
    await journal.close()
  } finally {
    unsubscribe('shared-block-ring:journal', listen)
  }
  const where = { journal: 'orders', device: 'memory' }
  expect(events).toMatchObject([
    { ...where, event: 'performed', operations: 1, attempt: 1, mayHaveRun: false, durationMs: 0 },
    { ...where, event: 'retried', what: 'perform', attempt: 1, error: 'no', delayMs: 5000 },
    { ...where, event: 'deadLettered', attempts: 2, error: 'no' },
    { ...where, event: 'ended', error: { code: 'JOURNAL_CLOSED' } },
  ] satisfies Partial<Record<keyof JournalEvent | string, unknown>>[])
})

test('operations are performed on time by the system clock', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
  let performed = 0
  let attempts = 0
  const perform = async (operations: readonly Uint8Array[]) => {
    if (++attempts === 1) return { error: 'once' }
    performed += operations.length
    return undefined
  }
  await using journal = await Journal.open(device, perform, {
    ...{ performIntervalMs: 10, backoff: { firstMs: 10 }, createIfMissing: SMALL },
  })
  const receipt = await journal.push(new Uint8Array(3))
  await receipt.done
  expect(performed).toBe(1)
})
