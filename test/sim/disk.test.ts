import { describe, expect, test } from 'vitest'
import { SimDisk } from '../../src/sim/world/disk.ts'

function disk(physicalSectorSize = 512): SimDisk {
  return new SimDisk({ sectorSize: 512, sizeSectors: 4, physicalSectorSize })
}

function filled(byte: number, sectors = 1): Uint8Array {
  return new Uint8Array(512 * sectors).fill(byte)
}

describe('the simulated disk', () => {
  test('keeps any subset of what was not flushed, in any version', () => {
    const kept = new Set<string>()
    for (let outcome = 0; outcome < 6; outcome++) {
      const tried = disk()
      tried.apply(0, filled(1))
      tried.apply(0, filled(2, 2))
      expect(tried.outcomes).toBe(6)
      let left = outcome
      tried.cut((count) => {
        const digit = left % count
        left = Math.floor(left / count)
        return digit
      })
      kept.add(`${tried.visible[0]} ${tried.visible[512]}`)
    }
    expect([...kept].sort()).toEqual(['0 0', '0 2', '1 0', '1 2', '2 0', '2 2'])
  })

  test('keeps what was flushed, and what was written durably', () => {
    const tried = disk()
    tried.apply(0, filled(1))
    tried.flush(tried.writes)
    const write = tried.apply(512, filled(2))
    tried.makeDurable(512, filled(2), write, write)
    tried.apply(1024, filled(3))
    tried.cut(() => 0)
    expect([0, 512, 1024].map((at) => tried.visible[at])).toEqual([1, 2, 0])
  })

  test('writes again what the cache lost before a durable write was done', () => {
    const tried = disk(2048)
    const write = tried.apply(0, filled(1))
    tried.reset(() => 0)
    tried.apply(512, filled(2))
    tried.makeDurable(0, filled(1), write, write)
    tried.cut(() => 0)
    expect(tried.visible[0]).toBe(1)
  })

  test('cannot read an unreadable sector before it is written', () => {
    const tried = disk()
    tried.spoil(1)
    expect(tried.readable(0, 512)).toBe(true)
    expect(tried.readable(0, 1024)).toBe(false)
    tried.apply(512, filled(1))
    expect(tried.readable(0, 1024)).toBe(true)
  })
})
