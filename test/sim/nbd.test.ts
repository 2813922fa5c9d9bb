import { describe, expect, test } from 'vitest'
import { explain, explore, replayCommand, runSeed } from '../../src/sim/ring/explore.ts'
import { format1 } from '../../src/sim/ring/format1.ts'
import { format2 } from '../../src/sim/ring/format2.ts'
import type { RingUnderTest } from '../../src/sim/ring/guarantees.ts'
import { storageNamed } from '../../src/sim/ring/storages.ts'
import { addCounts } from '../../src/sim/runs/simulated.ts'
import { DEVICE_FAULTS } from '../../src/sim/world/faults.ts'
import { noCounts, type SimCounts } from '../../src/sim/world/world.ts'

const device = 'nbd'

describe('a ring on an NBD server', () => {
  /** Explores seeds from one on, and answers the counts of what happened. */
  async function kept(ring: RingUnderTest, mix: string, from: number): Promise<SimCounts> {
    const { failing, counts } = await explore(ring, { device, mix, from, seeds: 2 })
    if (failing !== undefined) throw new Error(await explain(ring, failing, { device, mix }))
    expect(counts.delivered).toBeGreaterThan(10)
    return counts
  }

  test.each([format1, format2])('keeps its guarantees: format $name', async (ring) => {
    await kept(ring, 'honest', 1)
  })

  test('repeats exactly for the same seed', async () => {
    const once = await runSeed(format2, 4, { device, mix: 'honest', traced: true })
    const again = await runSeed(format2, 4, { device, mix: 'honest', traced: true })
    expect(once.trace.length).toBeGreaterThan(100)
    expect(again.trace).toEqual(once.trace)
  })

  test('keeps its guarantees whatever happens between it and its disk, and every fault happens', async () => {
    const counts = noCounts()
    for (const mix of ['servers', 'links']) addCounts(counts, await kept(format2, mix, 11))
    const missing = DEVICE_FAULTS.filter((kind) => kind !== 'refuse' && !counts.faults[kind])
    expect(missing).toEqual([])
  })

  test('is replayed by a command that names its device', () => {
    expect(replayCommand(format2, 7, { device, mix: 'links', steps: 5 })).toBe(
      'npm run sim -- --seed 7 --format 2 --device nbd --mix links --steps 5',
    )
  })
})

test('an unknown device is an error', () => {
  expect(() => storageNamed('tape')).toThrow('no device tape; known are disk, nbd')
})
