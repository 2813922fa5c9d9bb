import { describe, expect, test } from 'vitest'
import { exhaust, scriptsOf } from '../../src/sim/exhaust.ts'
import { explain, explore } from '../../src/sim/explore.ts'
import { MIXES } from '../../src/sim/faults.ts'
import { format1 } from '../../src/sim/format1.ts'

const SHAPE = { sectorSize: 512, sizeSectors: 5, physicalSectorSize: 512 }
const LETTERS = 'abBpctTPCsr'

describe('format 1 keeps its promises', () => {
  test.each([
    ['an empty ring', ''],
    ['a ring that wrapped', 'BTb'],
  ])(
    'at every crash point of every script of two steps, %s',
    { timeout: 120_000 },
    async (_, prelude) => {
      const scripts = [...scriptsOf(LETTERS, 1), ...scriptsOf(LETTERS, 2)]
      const done = await exhaust(format1, { shape: SHAPE, prelude, scripts })
      expect(done.broken).toBeUndefined()
      expect(done.scripts).toBe(132)
      expect(done.cutShort).toBe(0)
      expect(done.runs).toBeGreaterThan(3000)
    },
  )

  test('when a role is killed at any event, and the power fails at any later one', {
    timeout: 120_000,
  }, async () => {
    const done = await exhaust(format1, {
      shape: SHAPE,
      prelude: 'BT',
      scripts: ['aT'],
      twice: true,
    })
    expect(done.broken).toBeUndefined()
    expect(done.runs).toBeGreaterThan(1000)
  })

  test.each(MIXES.map(({ name }) => name))(
    'under random faults: %s',
    { timeout: 120_000 },
    async (mix) => {
      const { failing, counts } = await explore(format1, { mix, seeds: 120 })
      if (failing !== undefined) throw new Error(await explain(format1, failing, { mix }))
      expect(counts.delivered).toBeGreaterThan(120)
    },
  )
})
