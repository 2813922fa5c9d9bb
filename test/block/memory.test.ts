import { expect, test, vi } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { formatBlockError, formatBlockWriteError, isBlockError } from '../../src/errors.ts'

test('MemoryBlockDevice.from copies the bytes', async () => {
  const bytes = new Uint8Array(1024).fill(3)
  await using device = await MemoryBlockDevice.from(bytes)
  bytes.fill(4)
  const found = new Uint8Array(1024)
  await device.read(0, [found])
  expect(found).toEqual(new Uint8Array(1024).fill(3))
  expect(await device.getInfo()).toEqual({ readWrite: true, sectorSize: 512, sizeSectors: 2 })
})

test('MemoryBlockDevice.from makes a read-only device with content', async () => {
  await using device = await MemoryBlockDevice.from(new Uint8Array(4096).fill(3), {
    sectorSize: 4096,
    mode: 'read-only',
    name: 'rom',
  })
  const found = new Uint8Array(4096)
  await device.read(0, [found])
  expect(found[4095]).toBe(3)
  const error = await device.write(0, [found]).catch((reason: unknown) => reason)
  if (!isBlockError(error)) throw new Error('expected a BlockError')
  expect(formatBlockError(error)).toBe('BLOCK_READ_ONLY: rom is read-only; nothing was written')
  expect(formatBlockWriteError(error)).toMatch(/\(no data has been written\)$/)
})

test('invalid sizes are refused', async () => {
  for (const sectorSize of [0, 256, 1000, 131072, Number.NaN]) {
    expect(() => new MemoryBlockDevice({ sectorSize, sizeSectors: 1 })).toThrow(RangeError)
  }
  for (const sizeSectors of [-1, 0.5, Number.NaN, 2 ** 53]) {
    expect(() => new MemoryBlockDevice({ sizeSectors })).toThrow(RangeError)
  }
  await expect(MemoryBlockDevice.from(new Uint8Array(513))).rejects.toThrow(RangeError)
})

test('only what was written takes memory, at the end of a huge device too', async () => {
  const sizeSectors = 2 ** 40
  await using device = new MemoryBlockDevice({ sizeSectors })
  const bytes = new Uint8Array(1024).fill(9)
  await device.write(sizeSectors - 2, [bytes])
  const found = new Uint8Array(1024)
  await device.read(sizeSectors - 2, [found])
  expect(found).toEqual(bytes)
  await device.writeZeroes(0, sizeSectors)
  expect(await device.seekMapped(sizeSectors - 2)).toBe(sizeSectors)
})

test('zeroes end extents of data', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 64 })
  await device.write(0, [new Uint8Array(64 * 512).fill(1)])
  await device.discard(16, 16)
  expect(await device.seekUnmapped(0)).toBe(16)
  expect(await device.seekMapped(16)).toBe(32)
})

test('an answer after the timeout does not count, and no timer is left behind', async () => {
  vi.useFakeTimers()
  try {
    await using device = new MemoryBlockDevice({ sizeSectors: 1 })
    await device.claim('consumer', { holder: 'test', onRequest: () => new Promise(() => {}) })
    // Its own timers: what other tests left running makes some, too.
    const made = vi.spyOn(globalThis, 'setTimeout')
    const answer = device.ask('consumer', 'hello')
    const timers = made.mock.results.map(({ value }) => value)
    const cleared = vi.spyOn(globalThis, 'clearTimeout')
    await vi.advanceTimersByTimeAsync(1000)
    expect(await answer).toBeUndefined()
    expect(timers).toHaveLength(1)
    expect(cleared.mock.calls.flat()).toContain(timers[0])
  } finally {
    vi.restoreAllMocks()
    vi.useRealTimers()
  }
})

test('a claim without a holder is refused, and takes no role', async () => {
  await using device = new MemoryBlockDevice({ sizeSectors: 1 })
  const claim = (options: unknown): Promise<unknown> =>
    Reflect.apply(device.claim, device, ['producer', options])
  await expect(claim(undefined)).rejects.toThrow(TypeError)
  await expect(claim({ holder: 1 })).rejects.toThrow(TypeError)
  await expect(claim({ holder: 'test', onRequest: 'yes' })).rejects.toThrow(TypeError)
  await device.claim('producer', { holder: 'test' })
})
