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
    [{ retries: 3 }, TypeError],
  ])('the options %o', async (options, kind) => {
    await using reader = await open(await filled(['a']))
    await expect(reader.process(() => undefined, options)).rejects.toBeInstanceOf(kind)
    expect((await reader.tryReceive())?.item).toBe('a')
  })
})
