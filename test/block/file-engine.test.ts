import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { AdaptiveEngine } from '../../src/block/file/engine/adaptive.ts'
import type { Engine } from '../../src/block/file/engine/engine.ts'
import { FileSize } from '../../src/block/file/file-size.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { ALWAYS } from '../../src/block/permit.ts'

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbr-engine-'))
  path = join(directory, 'ring.img')
  writeFileSync(path, new Uint8Array(1 << 20))
})

afterEach(() => rmSync(directory, { recursive: true }))

describe('sync', () => {
  test('a request is done before the call returns', async () => {
    await using device = await FileBlockDevice.open(path, { engine: 'sync' })
    const written = device.write(3, [new Uint8Array(512).fill(7)])
    expect(readFileSync(path).indexOf(7)).toBe(3 * 512)
    await written
  })

  test('a loop of awaited requests lets others have their turns', async () => {
    await using device = await FileBlockDevice.open(path, { engine: 'sync' })
    const buffer = new Uint8Array(512)
    let turns = 0
    let reads = 0
    let most = 0
    const next = (): void => {
      turns++
      most = Math.max(most, reads)
      reads = 0
      immediate = setImmediate(next)
    }
    let immediate = setImmediate(next)
    // A turn of its own. Each request takes a millisecond, and a turn has four.
    await new Promise((resolve) => setImmediate(resolve))
    reads = 0
    let now = 0
    // By hand: what spies there are for this needs Node, and the test runs in other runtimes too.
    const { now: machines } = performance
    performance.now = () => now++
    try {
      for (let all = 0; all < 400; all++) {
        await device.read(0, [buffer])
        reads++
      }
    } finally {
      performance.now = machines
    }
    clearImmediate(immediate)
    expect(most).toBe(4)
    expect(turns).toBeGreaterThanOrEqual(99)
  })

  test('a loop of awaited requests lets timers have their turns', async () => {
    await using device = await FileBlockDevice.open(path, { engine: 'sync' })
    const buffer = new Uint8Array(512)
    let isDue = false
    setTimeout(() => {
      isDue = true
    }, 1)
    // Without turns it would end by itself, long after.
    for (let reads = 0; reads < 1_000_000 && !isDue; reads++) await device.read(0, [buffer])
    expect(isDue).toBe(true)
  })

  test('a request that waits for a turn is permitted when that comes, not before', async () => {
    await using device = await FileBlockDevice.open(path, { engine: 'sync' })
    const read = device.read(0, [new Uint8Array(512)])
    // The turn is used up.
    for (const began = performance.now(); performance.now() - began < 10; );
    let isOver = false
    const over = new Error('over')
    const permit = (): void => {
      if (isOver) throw over
    }
    const write = device.write(3, [new Uint8Array(512).fill(7)], { permit })
    isOver = true
    await expect(write).rejects.toBe(over)
    await read
    expect(readFileSync(path).indexOf(7)).toBe(-1)
  })

  test('many requests that wait for a turn all complete', async () => {
    await using device = await FileBlockDevice.open(path, { engine: 'sync' })
    const numbers = Array.from({ length: 500 }, (_, index) => index)
    await Promise.all(
      numbers.map((index) =>
        device.write(index, [new Uint8Array(512).fill(index)], { durable: index % 50 === 0 }),
      ),
    )
    const found = new Uint8Array(512 * 500)
    await device.read(0, [found])
    expect(numbers.every((index) => found[index * 512] === index % 256)).toBe(true)
  })
})

describe('adaptive', () => {
  /** Engines that take as long as the test says. */
  function fakes() {
    const state = { now: 0, callMs: 0.1, used: [] as string[], fail: false }
    const engine = (name: string): Engine => {
      const call = (): number => {
        state.used.push(name)
        state.now += state.callMs
        if (state.fail) throw new Error('EIO')
        return 512
      }
      return { read: call, write: call, flush: () => void call() }
    }
    const adaptive = new AdaptiveEngine(engine('sync'), engine('pool'), () => state.now)
    const small = [new Uint8Array(512)]
    /** The engines that so many small reads used, without repetitions. */
    const reads = async (count: number): Promise<string[]> => {
      state.used = []
      for (let read = 0; read < count; read++) await adaptive.read(0, small, 0, ALWAYS)
      return state.used.filter((name, index) => name !== state.used[index - 1])
    }
    return { state, adaptive, small, reads }
  }

  test('trusts a disk after quick calls, until one is slow', async () => {
    const { state, reads } = fakes()
    expect(await reads(32)).toEqual(['pool'])
    expect(await reads(100)).toEqual(['sync'])
    state.callMs = 5
    expect(await reads(100)).toEqual(['sync', 'pool'])
    expect(state.used.indexOf('pool')).toBe(1)
    state.callMs = 0.1
    expect(await reads(33)).toEqual(['pool', 'sync'])
  })

  test('counts a failure that took long as slow', async () => {
    const { state, reads } = fakes()
    await reads(32)
    state.fail = true
    state.callMs = 30_000
    await expect(reads(1)).rejects.toThrow('EIO')
    expect(state.used).toEqual(['sync'])
    await expect(reads(1)).rejects.toThrow('EIO')
    expect(state.used).toEqual(['pool'])
  })

  test('never blocks for large transfers, or for flushes after them', async () => {
    const { state, adaptive, small, reads } = fakes()
    await reads(32)
    state.used = []
    const large = [new Uint8Array(1 << 16), ...small]
    await adaptive.write(0, small, 0, ALWAYS)
    await adaptive.flush(0, ALWAYS)
    expect(state.used).toEqual(['sync', 'sync'])
    await adaptive.read(0, large, 0, ALWAYS)
    await adaptive.write(0, large, 0, ALWAYS)
    await adaptive.flush(0, ALWAYS)
    await adaptive.flush(0, ALWAYS)
    expect(state.used.slice(2)).toEqual(['pool', 'pool', 'pool', 'sync'])
  })
})

test('knows where a file ends, however it changes', () => {
  const fd = openSync(path, 'r')
  try {
    const end = new FileSize(fd)
    const asked = [1, 1 << 20, (1 << 20) + 1]
    const reaches = () => asked.map((bytes) => end.reaches(bytes))
    expect(reaches()).toEqual([true, true, false])
    truncateSync(path, (1 << 20) - 1)
    expect(reaches()).toEqual([true, false, false])
    truncateSync(path, 0)
    expect(reaches()).toEqual([false, false, false])
    truncateSync(path, 2 << 20)
    expect(reaches()).toEqual([true, true, true])
    truncateSync(path, 1)
    expect(reaches()).toEqual([true, false, false])
  } finally {
    closeSync(fd)
  }
})
