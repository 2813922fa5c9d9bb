import { describe, expect, test } from 'vitest'
import {
  exhaust,
  explain,
  explore,
  format2,
  format2Overwrite,
  MIXES,
  runSeed,
  scriptsOf,
  smallestShape,
} from '../../src/sim/index.ts'

describe('format 2 keeps its promises', () => {
  test.each([
    ['an empty ring', 512, '', [...scriptsOf('apbPtTC', 1), 'pc', 'aT', 'pa', 'sP', 'sr']],
    ['a ring that wrapped', 512, 'BTb', [...scriptsOf('apbtTP', 1), 'pc', 'Ta']],
    ['blocks that can be torn', 1024, 'BTa', ['b', 'T', 'pc', 'Pa']],
  ])(
    'at every crash point of short scripts, %s of blocks of %i bytes',
    { timeout: 240_000 },
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

  test('when a role is killed at any event, and the power fails at any later one', {
    timeout: 240_000,
  }, async () => {
    const done = await exhaust(format2, {
      shape: smallestShape(format2, 512),
      prelude: 'aTaT',
      scripts: ['a'],
      twice: true,
    })
    expect(done.broken).toBeUndefined()
    expect(done.runs).toBeGreaterThan(100)
  })

  test.each(MIXES.map(({ name }) => name))(
    'under random faults: %s',
    { timeout: 120_000 },
    async (mix) => {
      const { failing, counts } = await explore(format2, { mix, seeds: 50 })
      if (failing !== undefined) throw new Error(await explain(format2, failing, { mix }))
      expect(counts.delivered).toBeGreaterThan(200)
    },
  )

  test.each(['none', 'kill', 'power', 'storm', 'eio', 'reset', 'flip'])(
    'and overwrites the oldest, under random faults: %s',
    { timeout: 120_000 },
    async (mix) => {
      const { failing, counts } = await explore(format2Overwrite, { mix, seeds: 40 })
      if (failing !== undefined) throw new Error(await explain(format2Overwrite, failing, { mix }))
      expect(counts.delivered).toBeGreaterThan(200)
    },
  )
})

/** Seeds that found something once, when disks and plans were made as they are now. */
test.each([
  ['none', 8, 'there was no room for showing a part of what one call had pushed'],
  ['silent-reset', 172, 'the storage lost a part of a batch before the flush that was to keep it'],
  ['pages', 191, 'an older slot from the page cache sent the consumer back'],
  ['storm', 570, 'the depth was wrong while the consumer had to go back'],
  [
    'flip',
    28,
    'the oracle took an epoch that began at the place of the consumer for damage given back',
  ],
])('%s, seed %i: %s', async (mix, seed) => {
  const outcome = await runSeed(format2, seed, { mix })
  expect(outcome.broken).toBeUndefined()
})

test.each([
  ['storm', 969, 'a cursor right before what was given up outlived that'],
  [
    'storm',
    1390,
    'the oracle took an item overwritten for the one where merged epochs left the consumer',
  ],
  [
    'power',
    1878,
    'the oracle took an overwriting for done that was only in a cache, and went with it',
  ],
  ['eio', 1673, 'giving back was ignored behind a cursor right before what was given up'],
])('overwriting, %s, seed %i: %s', async (mix, seed) => {
  const outcome = await runSeed(format2Overwrite, seed, { mix })
  expect(outcome.broken).toBeUndefined()
})

test('a simulation does the same again for the same seed', async () => {
  for (const mix of ['honest', 'all']) {
    const once = await runSeed(format2, 5, { mix, traced: true })
    const again = await runSeed(format2, 5, { mix, traced: true })
    expect(once.trace.length).toBeGreaterThan(100)
    expect(again.trace).toEqual(once.trace)
  }
})
