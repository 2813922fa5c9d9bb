import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { BlockError } from '../../src/errors.ts'
import { Journal } from '../../src/journal/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { deviceBytes, goldenDevice, goldens, hex } from '../helpers/golden.ts'
import { SMALL } from '../helpers/ring.ts'
import { large, names, SECTORS, startRig, stateOf } from './helpers.ts'

const fail = async () => ({ error: 'not now' })
const succeed = async () => undefined

describe('weakness 7: the original formats any device that it cannot attach to', () => {
  const start = (device: MemoryBlockDevice, create = SMALL) =>
    Journal.open(device, async () => undefined, { createIfMissing: create })

  test.each(goldens(true))('$name stays as it is', async (golden) => {
    const device = await goldenDevice(golden)
    const before = hex(await deviceBytes(device))
    await expect(start(device, { format: 1 })).rejects.toMatchObject({
      code: expect.stringMatching(/^RING_(CORRUPT|NOT_BLANK)$/),
    })
    expect(hex(await deviceBytes(device))).toBe(before)
    expect(await device.claim('producer', { holder: 'a test' })).toBeDefined()
    expect(await device.claim('consumer', { holder: 'a test' })).toBeDefined()
  })

  test('a read that fails formats nothing', async () => {
    class Unreadable extends MemoryBlockDevice {
      broken = false
      protected override async doRead(
        sector: number,
        buffers: readonly Uint8Array[],
      ): Promise<void> {
        if (this.broken) throw new BlockError('BLOCK_IO', 'cannot read', { device: this.name })
        return super.doRead(sector, buffers)
      }
    }
    const device = new Unreadable({ sizeSectors: SECTORS })
    await Producer.create(device, SMALL)
    const before = hex(await deviceBytes(device))
    device.broken = true
    await expect(start(device)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    device.broken = false
    expect(hex(await deviceBytes(device))).toBe(before)
    await (await start(device)).close()
  })

  test('something else is never overwritten', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
    const sector = new Uint8Array(512)
    new TextEncoder().encodeInto('precious', sector)
    await device.write(7, [sector])
    const before = hex(await deviceBytes(device))
    await expect(start(device)).rejects.toMatchObject({ code: 'RING_NOT_BLANK' })
    const createIfMissing = { ...SMALL, eraseOther: true }
    await expect(Journal.open(device, async () => undefined, { createIfMissing })).rejects.toThrow(
      'createIfMissing has no option eraseOther',
    )
    expect(hex(await deviceBytes(device))).toBe(before)
  })

  test('a blank device stays blank with createIfMissing: false', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
    await expect(
      Journal.open(device, async () => undefined, { createIfMissing: false }),
    ).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
    expect((await deviceBytes(device)).every((byte) => byte === 0)).toBe(true)
  })
})

describe('weakness 8: the original forgets failures, starves, deadlocks and hangs', () => {
  test('an answered error is retried, though nothing more is pushed', async () => {
    const { journal, clock, calls, behave } = await startRig()
    behave(fail)
    const { done } = await journal.push('a')
    await clock.settle()
    expect(calls).toHaveLength(1)
    behave(succeed)
    await clock.advance(5000)
    expect(calls.map(({ attempt, at }) => [attempt, at])).toEqual([
      [1, 0],
      [2, 5000],
    ])
    await done
    await journal.close()
  })

  test('an answered error is retried, though the journal is full', async () => {
    const { journal, clock, calls, behave } = await startRig({ performIntervalMs: 1e9 })
    behave(fail)
    const pushes = ['a', 'b', 'c', 'd', 'e'].map((name) => journal.push(large(name, 3)))
    await clock.settle()
    expect(calls.map(({ operations }) => names(operations))).toEqual([['a', 'b', 'c']])
    expect(journal.status()).toMatchObject({ queuedPushes: 2, attempt: 1, nextRetryInMs: 5000 })
    behave(succeed)
    await clock.advance(5000)
    await Promise.all(pushes)
    journal.performNow()
    await clock.settle()
    expect(calls.flatMap(({ operations }) => names(operations)).join('')).toBe('abcabcde')
    await journal.close()
  })

  test('steady pushes do not put performing off: the interval counts from the first', async () => {
    const { journal, clock, calls } = await startRig({ performIntervalMs: 100 })
    await journal.sync()
    for (let time = 0; time < 250; time += 10) {
      await journal.push(`at ${time}`)
      await clock.advance(10)
    }
    expect(calls.map(({ at, operations }) => [at, operations[0]])).toEqual([
      [100, 'at 0'],
      [200, 'at 100'],
    ])
    expect(calls[0]?.operations).toHaveLength(10)
    await journal.close()
  })

  test('a push does not reset the retry timer, and is not in the batch that is repeated', async () => {
    const { journal, clock, calls, behave } = await startRig()
    behave(fail)
    await journal.push('a')
    for (let time = 0; time < 5000; time += 1000) {
      await clock.advance(1000)
      if (time < 4000) expect(calls).toHaveLength(1)
      if (time === 3000) behave(succeed)
      if (time < 4000) (await journal.push(`later ${time}`)).performNow()
    }
    expect(calls.slice(0, 2).map(({ at, operations }) => [at, operations])).toEqual([
      [0, ['a']],
      [5000, ['a']],
    ])
    await journal.sync()
    expect(calls[2]?.operations).toHaveLength(4)
    await journal.close()
  })

  test('close with blocked pushes, a failing batch and an armed timer settles all, at once', async () => {
    const { journal, clock, behave } = await startRig({ performIntervalMs: 1e9 })
    behave(fail)
    const pushes = ['a', 'b', 'c', 'd'].map((name) => journal.push(large(name, 2)))
    await clock.settle()
    const receipts = await Promise.all(pushes.slice(0, 2))
    const waiting = [...pushes.slice(2), ...receipts.map(({ done }) => done), journal.sync()]
    const settled = Promise.allSettled(waiting)
    const closing = journal.close()
    await clock.settle()
    expect(await stateOf(closing)).toBe('resolved')
    for (const outcome of await settled) {
      expect(outcome).toMatchObject({ reason: { code: 'JOURNAL_CLOSED' } })
    }
    expect(clock.sleepers).toBe(0)
  })

  test('a poison item that does not decode is skipped, durably', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
    const bytesJournal = await Journal.open(device, async () => ({ error: 'never' }), {
      createIfMissing: SMALL,
    })
    for (const item of ['a', '\xff', 'b']) {
      await bytesJournal.push(Uint8Array.from(item, (character) => character.charCodeAt(0)))
    }
    await bytesJournal.close()
    const letters: string[] = []
    const deadLetter = async ({ bytes }: { bytes: Uint8Array }): Promise<void> => {
      letters.push(hex(bytes))
    }
    const { journal, calls } = await startRig({ deadLetter }, device)
    await journal.sync()
    expect(calls.flatMap(({ operations }) => operations)).toEqual(['a', 'b'])
    expect(letters).toEqual(['ff'])
    expect((await inspectRing(device)).usedBytes).toBe(0)
    await journal.close()
  })

  test('replay reads in bounded batches, and a failed one repeats only itself', async () => {
    const before = await startRig({ performIntervalMs: 1e9 })
    for (let index = 0; index < 10; index++) await before.journal.push(`op ${index}`)
    await before.journal.close()
    const failures = new Set([2])
    const { journal, clock, calls } = await startRig(
      { maxPerformItems: 4 },
      before.device,
      before.clock,
      async () => (failures.delete(calls.length) ? { error: 'once' } : undefined),
    )
    await clock.advance(5000)
    expect(calls.map(({ operations }) => operations.map((name) => name.slice(3)).join(''))).toEqual(
      ['0123', '4567', '4567', '89'],
    )
    expect(calls.every(({ mayHaveRun }) => mayHaveRun)).toBe(true)
    await journal.close()
  })

  test('replay bounds the bytes of a batch', async () => {
    const before = await startRig({ performIntervalMs: 1e9 })
    for (let index = 0; index < 6; index++) await before.journal.push(large(`${index}`, 8))
    await before.journal.close()
    const { journal, calls } = await startRig(
      { maxPerformBytes: 3000 },
      before.device,
      before.clock,
    )
    await journal.sync()
    expect(calls.map(({ operations }) => names(operations).join(''))).toEqual(['01', '23', '45'])
    await journal.close()
  })
})
