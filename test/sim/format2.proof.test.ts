import { describe, expect, test } from 'vitest'
import {
  exhaust,
  format2,
  format2Overwrite,
  MIXES,
  scriptsOf,
  simulatedRing,
  smallestShape,
} from '../../src/sim/index.ts'
import { SEED } from '../helpers/seed.ts'
import { explored } from './explored.ts'

describe('format 2 keeps its guarantees', () => {
  test.each([
    ['an empty ring', 512, '', [...scriptsOf('apbPtTC', 1), 'pc', 'aT', 'pa', 'sP', 'sr']],
    ['a ring that wrapped', 512, 'BTb', [...scriptsOf('apbtTP', 1), 'pc', 'Ta']],
    ['blocks that can be torn', 1024, 'BTa', ['b', 'T', 'pc', 'Pa']],
  ])(
    'at every crash point of short scripts, %s of blocks of %i bytes',
    async (_, blockSize, prelude, scripts) => {
      const done = await exhaust(format2, {
        shape: smallestShape(format2, blockSize),
        prelude,
        scripts,
      })
      expect(done.broken).toBeUndefined()
      expect(done.scripts).toBe(scripts.length)
      expect(done.cutShort).toBe(0)
      expect(done.runs).toBeGreaterThan(scripts.length * 10)
    },
  )

  test('when a role is killed at any event, and the power fails at any later one', async () => {
    const done = await exhaust(format2, {
      shape: smallestShape(format2, 512),
      prelude: 'aTaT',
      scripts: ['a'],
      twice: true,
    })
    expect(done.broken).toBeUndefined()
    expect(done.runs).toBeGreaterThan(100)
  })

  test.each(MIXES.map(({ name }) => name))('under random faults: %s', async (mix) => {
    const counts = await explored(simulatedRing(format2), { mix, from: SEED, seeds: 25 })
    expect(counts.delivered).toBeGreaterThan(100)
  })

  test.each(['none', 'kill', 'power', 'storm', 'eio', 'reset', 'flip'])(
    'while it overwrites the oldest items, under random faults: %s',
    async (mix) => {
      const counts = await explored(simulatedRing(format2Overwrite), { mix, from: SEED, seeds: 20 })
      expect(counts.delivered).toBeGreaterThan(100)
    },
  )
})
