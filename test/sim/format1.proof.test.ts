import { describe, expect, test } from 'vitest'
import { exhaust, format1, MIXES, scriptsOf, simulatedRing } from '../../src/sim/index.ts'
import { SEED } from '../helpers/seed.ts'
import { explored } from './explored.ts'

const SHAPE = { sectorSize: 512, sizeSectors: 5, physicalSectorSize: 512 }
const LETTERS = 'abBpctTPCsr'

describe('format 1 keeps its guarantees', () => {
  test.each([
    ['an empty ring', ''],
    ['a ring that wrapped', 'BTb'],
  ])('at every crash point of every script of two steps, %s', async (_, prelude) => {
    const scripts = [...scriptsOf(LETTERS, 1), ...scriptsOf(LETTERS, 2)]
    const done = await exhaust(format1, { shape: SHAPE, prelude, scripts })
    expect(done.broken).toBeUndefined()
    expect(done.scripts).toBe(132)
    expect(done.cutShort).toBe(0)
    expect(done.runs).toBeGreaterThan(3000)
  })

  test('when a role is killed at any event, and the power fails at any later one', async () => {
    const done = await exhaust(format1, {
      shape: SHAPE,
      prelude: 'BT',
      scripts: ['aT'],
      twice: true,
    })
    expect(done.broken).toBeUndefined()
    expect(done.runs).toBeGreaterThan(1000)
  })

  test.each(MIXES.map(({ name }) => name))('under random faults: %s', async (mix) => {
    const counts = await explored(simulatedRing(format1), { mix, from: SEED, seeds: 50 })
    expect(counts.delivered).toBeGreaterThan(50)
  })
})
