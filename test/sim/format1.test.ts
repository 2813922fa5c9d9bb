import { describe, expect, test } from 'vitest'
import { exhaust, format1, MIXES, scriptsOf, simulatedRing } from '../../src/sim/index.ts'
import { explored } from './explored.ts'

describe('format 1 keeps its guarantees', () => {
  test.each([
    ['an empty ring', ''],
    ['a ring that wrapped', 'BTb'],
  ])('at every crash point of each single step, %s', async (_, prelude) => {
    const shape = { sectorSize: 512, sizeSectors: 5, physicalSectorSize: 512 }
    const done = await exhaust(format1, { shape, prelude, scripts: scriptsOf('abBpctTPCsr', 1) })
    expect(done.broken).toBeUndefined()
    expect(done.cutShort).toBe(0)
    expect(done.runs).toBeGreaterThan(100)
  })

  test('under random faults', async () => {
    const counts = await explored(simulatedRing(format1), { mix: 'each', seeds: 4 * MIXES.length })
    expect(counts.delivered).toBeGreaterThan(40 * MIXES.length)
  })
})
