import { describe, expect, test } from 'vitest'
import { SectorOracle } from '../../src/sim/ring/sector-oracle.ts'

const SECTORS = 4
const BYTES = 512

function scene(late = false) {
  const oracle = new SectorOracle(SECTORS, BYTES, late)
  const handle = {}
  const write = (sector = 1, sectors = 1) => oracle.writing(handle, sector, sectors, 'pattern')
  const zeroes = new Uint8Array(BYTES)
  return { oracle, handle, write, zeroes }
}

describe('what a sector may hold', () => {
  test('is the last acknowledged write, or a later one in flight', () => {
    const { oracle, write, zeroes } = scene()
    const first = write()
    oracle.read(1, zeroes)
    oracle.read(1, oracle.bytesOf(first))
    oracle.wrote(first, false)
    oracle.read(1, oracle.bytesOf(first))
    expect(() => oracle.read(1, zeroes)).toThrow('sector 1 holds write 0, not 1')
    const second = write()
    oracle.read(1, oracle.bytesOf(second))
    oracle.read(1, oracle.bytesOf(first))
  })

  test('is its own pattern, not that of another sector', () => {
    const { oracle, write } = scene()
    const both = write(0, 2)
    oracle.wrote(both, true)
    const bytes = oracle.bytesOf(both)
    oracle.read(0, bytes)
    expect(() => oracle.read(1, bytes.subarray(0, BYTES))).toThrow('none of its writes')
  })

  test('is anything since the last stable write, when the cache was lost', () => {
    const { oracle, write, zeroes } = scene()
    const stable = write()
    oracle.wrote(stable, true)
    const later = write()
    oracle.wrote(later, false)
    oracle.cacheLost()
    oracle.read(1, oracle.bytesOf(stable))
    oracle.read(1, oracle.bytesOf(later))
    expect(() => oracle.read(1, zeroes)).toThrow('none of its writes')
  })

  test('is what a flush of the same handle covered, even if the cache was lost meanwhile', () => {
    const { oracle, handle, write, zeroes } = scene()
    oracle.wrote(write(1), false)
    oracle.wrote(oracle.writing({}, 2, 1, 'pattern'), false)
    const flushing = oracle.flushing(handle)
    oracle.cacheLost()
    oracle.flushed(flushing)
    expect(() => oracle.read(1, zeroes)).toThrow('sector 1')
    oracle.read(2, zeroes)
  })

  test('is what a later flush of the same handle covered, even if the cache was lost before it', () => {
    const { oracle, handle, write, zeroes } = scene()
    oracle.wrote(write(1), false)
    oracle.cacheLost()
    oracle.flushed(oracle.flushing({}))
    oracle.read(1, zeroes)
    oracle.flushed(oracle.flushing(handle))
    expect(() => oracle.read(1, zeroes)).toThrow('sector 1')
  })

  test('is not what was acknowledged after a flush began', () => {
    const { oracle, handle, write, zeroes } = scene()
    const flushing = oracle.flushing(handle)
    oracle.wrote(write(), false)
    oracle.flushed(flushing)
    oracle.cacheLost()
    oracle.read(1, zeroes)
  })

  test('is a failed write at any time, if such writes may come late', () => {
    for (const late of [false, true]) {
      const { oracle, write } = scene(late)
      const failed = write()
      oracle.failed(failed)
      oracle.wrote(write(), true)
      const read = (): void => oracle.read(1, oracle.bytesOf(failed))
      if (late) read()
      else expect(read).toThrow('sector 1 holds none of its writes, not 2')
    }
  })

  test('is anything after a discard, until it is written again', () => {
    const { oracle, handle, write, zeroes } = scene()
    const discard = oracle.writing(handle, 1, 1, 'undefined')
    oracle.wrote(discard, false)
    oracle.read(
      1,
      zeroes.map(() => 3),
    )
    oracle.wrote(write(), false)
    expect(() => oracle.read(1, zeroes)).toThrow('sector 1')
  })
})
