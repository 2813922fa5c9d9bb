import { describe, expect, test } from 'vitest'
import { filled, open } from './scene.ts'

describe('process refuses', () => {
  test('a second call at the same time', async () => {
    await using reader = await open(await filled([]))
    const stop = new AbortController()
    const first = reader.process(() => undefined, { signal: stop.signal })
    await expect(reader.process(() => undefined)).rejects.toThrow('processing already')
    stop.abort()
    await first
  })

  test('receiving beside it, and to begin beside a call that receives', async () => {
    await using reader = await open(await filled(['a', 'b']))
    const { position } = await reader.receive()
    const stop = new AbortController()
    const handled: string[] = []
    const processed = reader.process((item) => void handled.push(item), { signal: stop.signal })
    const calls: readonly (() => Promise<unknown>)[] = [
      () => reader.receive(),
      () => reader.tryReceive(),
      () => reader.receiveMany(),
      () => reader.tryReceiveMany(),
      () => reader.entries().next(),
      () => reader.rewind(),
      () => reader.seek(position),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toThrow(TypeError)
      await expect(call()).rejects.toThrow('process receives alone')
    }
    while (handled.length < 1) await new Promise(setImmediate)
    stop.abort()
    await processed
    expect(handled).toEqual(['b'])
    // It is over.
    const again = await reader.receive()
    expect(again.item).toBe('a')
    await again.ack()
    const end = new AbortController()
    const waiting = reader.receive({ signal: end.signal })
    await expect(reader.process(() => undefined)).rejects.toThrow('is under way: end it first')
    end.abort(new Error('enough'))
    await expect(waiting).rejects.toThrow('enough')
    expect(await reader.process(() => undefined, { untilEmpty: true })).toMatchObject({
      handled: 0,
    })
  })

  test.each<[object, typeof RangeError | typeof TypeError]>([
    [{ concurrency: 0 }, RangeError],
    [{ concurrency: 1.5 }, RangeError],
    [{ concurrency: '8' }, TypeError],
    [{ attempts: 0 }, RangeError],
    [{ backoff: { firstMs: -1 } }, RangeError],
    [{ backoff: { first: 1 } }, TypeError],
    [{ onUndecodable: 'deadLetter' }, RangeError],
    [{ deadLetter: {} }, TypeError],
    [{ requeueTo: {} }, TypeError],
    [{ attemptStore: {} }, TypeError],
    [{ onFailed: 'log' }, TypeError],
    [{ retries: 3 }, TypeError],
  ])('the options %o', async (options, kind) => {
    await using reader = await open(await filled(['a']))
    await expect(reader.process(() => undefined, options)).rejects.toBeInstanceOf(kind)
    expect((await reader.tryReceive())?.item).toBe('a')
  })
})
