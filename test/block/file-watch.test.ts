import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { FileWatches, Told, watchFile } from '../../src/block/file/watch.ts'
import { temporaryFolder } from '../cli/cli.ts'

test('a watch that cannot be had is told of once, and says that it does not work', () => {
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

test('all that are told of one file share a watch, which ends with the last', () => {
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

test('changes that follow each other quickly are told together, where telling takes long', () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  try {
    let tells = 0
    let takesMs = 0
    const told = new Told()
    told.all.add(() => {
      tells++
      vi.advanceTimersByTime(takesMs)
    })
    for (let changes = 0; changes < 10; changes++) told.tell()
    expect(tells).toBe(10)
    takesMs = 3
    told.tell()
    for (let changes = 0; changes < 10; changes++) told.tell()
    expect(tells).toBe(11)
    vi.advanceTimersByTime(29)
    expect(tells).toBe(11)
    vi.advanceTimersByTime(1)
    expect(tells).toBe(12)
    vi.advanceTimersByTime(1000)
    expect(tells).toBe(12)
    // However long it takes, a change is told soon.
    takesMs = 100
    told.tell()
    told.tell()
    vi.advanceTimersByTime(50)
    expect(tells).toBe(14)
    told.tell()
    told.close()
    vi.advanceTimersByTime(1000)
    expect(tells).toBe(14)
  } finally {
    vi.useRealTimers()
  }
})
