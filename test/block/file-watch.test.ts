import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { FileWatches, Listeners, watchFile } from '../../src/block/file/watch.ts'
import { temporaryFolder } from '../cli/cli.ts'

const FAKED = [
  'setTimeout',
  'clearTimeout',
  'setImmediate',
  'clearImmediate',
  'performance',
] as const

test('a watch that the system refuses is reported once, and says that it does not work', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'ring')
  const told: unknown[] = []
  const listen = (message: unknown): void => {
    told.push(message)
  }
  subscribe('shared-block-ring:watch', listen)
  try {
    writeFileSync(path, '')
    const watch = watchFile(path, () => undefined)
    expect(watch.works).toBe(true)
    watch.close()
    expect(told).toEqual([])
    rmSync(path)
    const missing = watchFile(path, () => undefined)
    expect(missing.works).toBe(false)
    missing.close()
    expect(told).toMatchObject([{ device: path, error: { code: 'ENOENT' } }])
  } finally {
    unsubscribe('shared-block-ring:watch', listen)
  }
})

test('all listeners of one file share a watch, which ends with the last one', () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'ring')
  writeFileSync(path, '')
  const watches = new FileWatches(path)
  const [one, other] = [0, 1].map(() => watches.add(() => undefined))
  expect(one?.works && other?.works).toBe(true)
  one?.close()
  one?.close()
  expect(other?.works).toBe(true)
  other?.close()
  // A later one is not told by a watch that has ended.
  rmSync(path)
  const missing = watches.add(() => undefined)
  expect(missing.works).toBe(false)
  missing.close()
  writeFileSync(path, '')
  const again = watches.add(() => undefined)
  expect(again.works).toBe(true)
  again.close()
})

test('changes in quick succession are reported together if the listeners take long', () => {
  vi.useFakeTimers({ toFake: [...FAKED] })
  try {
    let tells = 0
    const listeners = new Listeners()
    const tell = (): void => {
      tells++
      vi.advanceTimersByTime(4)
    }
    listeners.all.add(tell)
    // One alone is told always.
    for (let changes = 0; changes < 100; changes++) listeners.notify()
    expect(tells).toBe(100)
    vi.advanceTimersByTime(10_000)
    listeners.all.add(() => undefined)
    tells = 0
    // First 50 ms at once, with what comes back meanwhile, then a tenth of the time.
    for (let changes = 0; changes < 100; changes++) {
      listeners.notify()
      vi.advanceTimersByTime(0)
    }
    expect(tells).toBe(14)
    for (let ms = 0; ms < 4000; ms++) {
      vi.advanceTimersByTime(1)
      listeners.notify()
    }
    expect(tells).toBeGreaterThan(100)
    expect(tells).toBeLessThan(130)
    // The last change is told too.
    const before = tells
    listeners.notify()
    vi.advanceTimersByTime(100)
    expect(tells).toBeGreaterThan(before)
    for (let changes = 0; changes < 100; changes++) listeners.notify()
    listeners.close()
    const after = tells
    vi.advanceTimersByTime(1000)
    expect(tells).toBe(after)
  } finally {
    vi.useRealTimers()
  }
})

test('a change is reported within 50 ms even if the listeners take very long', () => {
  vi.useFakeTimers({ toFake: [...FAKED] })
  try {
    let tells = 0
    const listeners = new Listeners()
    listeners.all.add(() => undefined)
    listeners.all.add(() => {
      tells++
      vi.advanceTimersByTime(400)
    })
    for (let changes = 1; changes < 5; changes++) {
      listeners.notify()
      vi.advanceTimersByTime(50)
      expect(tells).toBe(changes)
    }
    listeners.close()
  } finally {
    vi.useRealTimers()
  }
})

test('many are told in slices, between which something else can happen', () => {
  vi.useFakeTimers({ toFake: [...FAKED] })
  try {
    const all = Array.from({ length: 100 }, (_, number) => number)
    const told: number[] = []
    let slices = 0
    let slice = 0
    let longest = 0
    const listeners = new Listeners()
    for (const number of all) {
      listeners.all.add(() => {
        told.push(number)
        if (told.length === all.length + 50) listeners.notify()
        longest = Math.max(longest, ++slice)
        vi.advanceTimersByTime(0.1)
      })
    }
    const elsewhere = (): void => {
      slices++
      slice = 0
      if (told.length < all.length) setImmediate(elsewhere)
    }
    listeners.notify()
    // Several changes together.
    listeners.notify()
    expect(told).toEqual([])
    vi.advanceTimersByTime(9)
    expect(told).toEqual([])
    setImmediate(elsewhere)
    vi.advanceTimersByTime(100)
    expect(told).toEqual(all)
    expect(slices).toBeGreaterThan(10)
    expect(longest).toBeLessThan(20)
    // A change while they are told: each is told of it.
    listeners.notify()
    vi.advanceTimersByTime(1000)
    expect(told).toEqual([...all, ...all, ...all])
    listeners.close()
  } finally {
    vi.useRealTimers()
  }
})
