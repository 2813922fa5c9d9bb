import { describe, expect, test } from 'vitest'
import { BlockError } from '../../src/errors.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { resumeRing, suspendOrResume, suspendRing } from '../../src/ring/queue/suspend.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, smallRing } from '../helpers/ring.ts'

/** Of a writer that answers no suspend request while nothing is pushed. */
const NEVER = { idleRefreshIntervalMs: Number.POSITIVE_INFINITY }
const OVER = AbortSignal.abort(new Error('no more patience'))
const item = (fill: number): Uint8Array => new Uint8Array(200).fill(fill)

describe('suspending', () => {
  test('by the reader waits until it is granted, and so does resuming', async () => {
    const device = await smallRing()
    // A writer would grant the request on its own, sooner or later; a producer does when it is called.
    await using producer = await attachProducer(device)
    const clock = new FakeClock()
    await using reader = await RingReader.open(device, { clock })
    const done: string[] = []
    const requested = async (): Promise<boolean> => (await inspectRing(device)).consumer.suspend
    const suspending = reader.suspend().then(() => done.push('suspended'))
    await clock.advance(100)
    expect(await requested()).toBe(true)
    expect(done).toEqual([])
    expect(await producer.state()).toBe('suspended')
    await clock.advance(1000)
    await suspending
    expect(await reader.state()).toBe('suspended')
    expect(await producer.push(item(1))).toEqual({ status: 'suspended' })
    const resuming = reader.resume().then(() => done.push('resumed'))
    await clock.advance(100)
    expect(await requested()).toBe(false)
    expect(done).toEqual(['suspended'])
    expect(await producer.state()).toBe('running')
    await clock.advance(1000)
    await resuming
    await append(producer, item(1))
    expect((await reader.receive()).item[0]).toBe(1)
  })

  test('from outside asks the consumer at work, or does it itself', async () => {
    const device = await smallRing()
    const clock = new FakeClock()
    await using writer = await RingWriter.open(device, { ...NEVER, refreshIntervalMs: 0, clock })
    for (const holder of [await Consumer.attach(device), undefined]) {
      const before = writer.producer.position
      const suspending = suspendRing(device, { clock })
      await clock.advance(5)
      expect((await inspectRing(device)).consumer.suspend).toBe(true)
      const pushing = writer.push(item(1))
      await clock.advance(1000)
      await suspending
      expect(writer.producer.position).toBe(before)
      const resuming = resumeRing(device, { clock })
      await clock.advance(1000)
      await resuming
      expect(await pushing).toBeGreaterThan(before)
      await holder?.close()
    }
  })

  test('is granted by a writer that has nothing to push', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device)
    await suspendRing(device)
    expect(await writer.tryPush(item(1))).toEqual({ status: 'suspended' })
    await resumeRing(device)
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  test('from outside stops waiting when its signal says so, and the request stays', async () => {
    const device = await smallRing()
    const clock = new FakeClock()
    const stop = new AbortController()
    const suspending = suspendRing(device, { clock, signal: stop.signal })
    await clock.advance(20)
    expect(clock.sleepers).toBe(1)
    stop.abort(OVER.reason)
    await expect(suspending).rejects.toThrow('no more patience')
    const ring = await inspectRing(device)
    expect([ring.consumer.suspend, ring.producer.suspendAck]).toEqual([true, false])
  })

  test('is refused when the holder of the role takes no requests', async () => {
    const device = await smallRing()
    await device.claim('consumer', { holder: 'somebody else' })
    await expect(suspendRing(device)).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: 'somebody else' },
    })
  })

  test('is granted by an idle writer even after one of its reads failed', async () => {
    const device = new HookedDevice(await smallRing())
    const clock = new FakeClock()
    await using _writer = await RingWriter.open(device, { idleRefreshIntervalMs: 5, clock })
    await using reader = await RingReader.open(device, { clock })
    let reads = 0
    device.before = ({ operation }) => {
      if (operation !== 'read' || reads++ > 0) return
      throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
    }
    await clock.advance(5)
    expect(reads).toBe(1)
    const suspending = reader.suspend()
    await clock.advance(1000)
    expect((await inspectRing(device)).producer.suspendAck).toBe(true)
    await suspending
  })

  test('many times at once, and resuming, leaves the ring running', async () => {
    const device = await smallRing()
    await using writer = await RingWriter.open(device, { idleRefreshIntervalMs: 2 })
    const all = Array.from({ length: 4 }, async () => {
      for (let n = 0; n < 5; n++) await suspendRing(device)
    })
    await Promise.all(all)
    await Promise.all(Array.from({ length: 4 }, () => resumeRing(device)))
    expect(await writer.tryPush(item(1))).toMatchObject({ status: 'ok' })
  })

  test('with a signal that is already aborted makes no request', async () => {
    const device = await smallRing()
    await using reader = await RingReader.open(device)
    await expect(reader.suspend({ signal: OVER })).rejects.toThrow('no more patience')
    await reader.close()
    for (const call of [suspendRing, resumeRing]) {
      await expect(call(device, { signal: OVER })).rejects.toThrow('no more patience')
    }
    expect((await inspectRing(device)).consumer.suspend).toBe(false)
  })

  test('without waiting makes the request first', async () => {
    const device = await smallRing()
    await expect(suspendOrResume(device, 'suspend', {}, OVER)).rejects.toThrow('no more patience')
    expect((await inspectRing(device)).consumer.suspend).toBe(true)
  })

  test('from outside ends in the middle of a pause when its signal aborts', async () => {
    const clock = new FakeClock()
    const patience = new AbortController()
    const suspending = suspendOrResume(await smallRing(), 'suspend', { clock }, patience.signal)
    await clock.advance(20)
    expect(clock.sleepers).toBe(1)
    patience.abort(OVER.reason)
    await expect(suspending).rejects.toThrow('no more patience')
  })
})
