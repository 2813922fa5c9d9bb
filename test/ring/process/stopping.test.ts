import { describe, expect, test } from 'vitest'
import { text } from '../../../src/codec/index.ts'
import { BlockError } from '../../../src/errors.ts'
import { process as processFrom } from '../../../src/ring/queue/process/process.ts'
import type { ProcessSource } from '../../../src/ring/queue/process/processor.ts'
import type { Handler } from '../../../src/ring/queue/process/types.ts'
import { internalsOf } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { FakeClock, settle } from '../../helpers/fake-clock.ts'
import { FORMAT } from '../../helpers/format.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { smallRing } from '../../helpers/ring.ts'
import { filled, gate, itemsOf, open } from './scene.ts'

test('untilEmpty does not end while deliveries are held up, if they may continue when a handler returns', async () => {
  const names = ['a', 'b', 'c', 'd']
  await using reader = await open(await filled(names), { maxUnacked: 1 })
  const source: ProcessSource<string> = {
    consumer: reader.consumer,
    receiveMany: (bounds) => reader.receiveMany(bounds),
    tryReceiveMany: async (bounds) => {
      const entries = await reader.tryReceiveMany(bounds)
      // The acknowledgement that is under way ends before the answer comes.
      for (let turn = 0; entries.length === 0 && turn < 9; turn++) {
        await new Promise((resolve) => setImmediate(resolve))
      }
      return entries
    },
    bytesOf: (entry) => reader.bytesOf(entry),
    ackAll: (entries) => reader.ackAll(entries),
    flush: (options) => reader.flush(options),
    rewind: () => reader.rewind(),
  }
  const summary = await processFrom(
    source,
    () => undefined,
    { untilEmpty: true },
    internalsOf(reader),
  )
  expect(summary.handled).toBe(names.length)
})

describe('stopping', () => {
  test('waits for handlers under way, and starts no other', async () => {
    const device = await filled(['a', 'b', 'c'])
    const reader = await open(device)
    const stop = new AbortController()
    const { opened, open: finish } = gate()
    const begun: string[] = []
    const running = reader.process(
      async (item, { signal }) => {
        begun.push(item)
        stop.abort()
        await opened
        expect(signal.aborted).toBe(false)
      },
      { signal: stop.signal },
    )
    await new Promise((resolve) => setImmediate(resolve))
    finish()
    expect(await running).toMatchObject({ handled: 1, abandoned: 0 })
    await reader.close()
    expect(begun).toEqual(['a'])
    expect(await itemsOf(device)).toEqual(['b', 'c'])
  })

  test('makes no dead letter of an item whose handler fails then', async () => {
    const device = await filled(['a', 'b'])
    const reader = await open(device)
    const stop = new AbortController()
    const letters: unknown[] = []
    const summary = await reader.process(
      () => {
        stop.abort()
        throw new Error('stopped')
      },
      { attempts: 1, deadLetter: async (letter) => void letters.push(letter), signal: stop.signal },
    )
    expect(summary).toMatchObject({ failedAttempts: 1, deadLettered: 0 })
    expect(letters).toEqual([])
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('waits no longer than graceMs, and what a handler does later does not count', async () => {
    const clock = new FakeClock()
    const device = await filled(['a', 'b'])
    const reader = await open(device, { clock })
    const stop = new AbortController()
    const { opened, open: finish } = gate()
    let told: unknown
    const running = reader.process(
      async (_item, { signal }) => {
        signal.addEventListener('abort', () => {
          told = signal.reason
        })
        await opened
      },
      { signal: stop.signal, graceMs: 500 },
    )
    await clock.settle()
    stop.abort()
    await clock.advance(499)
    expect(told).toBeUndefined()
    await clock.advance(1)
    expect(await running).toMatchObject({ handled: 0, abandoned: 1 })
    expect(told).toBeInstanceOf(Error)
    finish()
    await clock.settle()
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('acknowledges what was handled in time, even if the write had to wait', async () => {
    const device = await filled(['a', 'b', 'slow'])
    await using reader = await open(device)
    const stop = new AbortController()
    const writing = gate()
    const { opened, open: write } = gate()
    device.before = async ({ operation }) => {
      if (operation !== 'write') return
      writing.open()
      await opened
      for (let turns = 0; turns < 9; turns++) await new Promise((resolve) => setImmediate(resolve))
    }
    const running = reader.process(
      async (item) => {
        if (item === 'slow') await new Promise(() => undefined)
        // Acknowledged only when the write for the first one is over.
        if (item === 'b') await writing.opened
        if (item === 'b') stop.abort()
      },
      { concurrency: 2, graceMs: 0, signal: stop.signal },
    )
    await writing.opened
    for (let turns = 0; turns < 9; turns++) await new Promise((resolve) => setImmediate(resolve))
    write()
    expect(await running).toMatchObject({ handled: 2, abandoned: 1 })
    expect(await itemsOf(device)).toEqual(['slow'])
  })

  test('reports a failure, even if a handler does not end', async () => {
    await using reader = await open(await filled(['slow', 'bad']))
    const running = reader.process(
      (item, job) => (item === 'bad' ? job.giveUp('bad') : new Promise(() => undefined)),
      { concurrency: 2, graceMs: 0 },
    )
    await expect(running).rejects.toMatchObject({ code: 'WORK_GIVEN_UP' })
  })

  test('writes lazy acknowledgements first', async () => {
    const device = await filled(['a', 'b', 'c'])
    const reader = await open(device, { lazyAck: { maxCalls: 1e6, maxDelayMs: 1e6 } })
    await reader.process(() => undefined, { untilEmpty: true })
    expect(await itemsOf(device)).toEqual([])
    await reader.close()
  })

  test('because an acknowledgement fails starts no further handler, and throws the error', async () => {
    const device = await filled(['a', 'b', 'c', 'd'])
    const reader = await open(device)
    const begun: string[] = []
    const broken = new BlockError('BLOCK_IO', 'the disk is gone', { device: 'memory' })
    const { opened: written, open: write } = gate()
    device.before = ({ operation }) => {
      if (operation !== 'write') return
      write()
      throw broken
    }
    const running = reader.process(async (item) => {
      begun.push(item)
      if (item === 'a') return
      await written
      await new Promise((resolve) => setImmediate(resolve))
    })
    await expect(running).rejects.toBe(broken)
    expect(begun.length).toBeLessThan(4)
    device.before = () => undefined
    await reader.close()
    expect(await itemsOf(device)).toEqual(['a', 'b', 'c', 'd'])
  })
})

// Only format 2 has a cheaper look before the read that pops.
test.runIf(FORMAT === 2)('an item that a slow device shows after the end is not lost', async () => {
  // The writer has a way of its own to the disk: it may have to read before it writes.
  const disk = await smallRing()
  const device = new HookedDevice(disk)
  await using writer = await RingWriter.open(disk, { codec: text })
  await using reader = await open(device)
  const stop = new AbortController()
  const running = reader.process(() => undefined, { signal: stop.signal, graceMs: 0 })
  await settle()
  const { opened: looked, open: look } = gate()
  const { opened: shown, open: show } = gate()
  device.before = async ({ operation }) => {
    if (operation !== 'read') return
    look()
    await shown
  }
  await writer.pushMany(['a', 'b', 'c'])
  await looked
  stop.abort()
  await running
  const first = reader.tryReceive()
  show()
  expect((await first)?.item).toBe('a')
  await settle()
  expect((await reader.tryReceiveMany()).map(({ item }) => item)).toEqual(['b', 'c'])
})

describe('closing the reader', () => {
  test.each<[string, Handler<string>]>([
    ['a handler is under way', () => new Promise(() => undefined)],
    [
      'an item waits for its next attempt',
      () => {
        throw new Error('later')
      },
    ],
  ])('ends processing while %s', async (_, handler) => {
    const device = await filled(['a', 'b'])
    const reader = await open(device)
    const { opened: called, open: call } = gate()
    const running = reader.process(
      (...item) => {
        call()
        return handler(...item)
      },
      { untilEmpty: true, graceMs: 0 },
    )
    await called
    await reader.close()
    await expect(running).rejects.toMatchObject({ code: 'RING_CLOSED' })
    expect(await itemsOf(device)).toEqual(['a', 'b'])
  })

  test('before processing calls no handler', async () => {
    const reader = await open(await filled(['a']))
    await reader.close()
    let calls = 0
    const running = reader.process(() => calls++, { untilEmpty: true })
    await expect(running).rejects.toMatchObject({ code: 'RING_CLOSED' })
    expect(calls).toBe(0)
  })
})
