import { describe, expect, test } from 'vitest'
import {
  exhaust,
  format2,
  format2Overwrite,
  format2OverwriteReader,
  format2Reader,
  format2Work,
  MIXES,
  ringNamed,
  runSeed,
  simulatedRing,
  smallestShape,
} from '../../src/sim/index.ts'
import { explored } from './explored.ts'

describe('format 2 keeps its guarantees', () => {
  test('at every crash point of short scripts', async () => {
    const shape = smallestShape(format2, 512)
    const done = await exhaust(format2, { shape, prelude: 'BTb', scripts: ['a', 'p', 'T', 'P'] })
    expect(done.broken).toBeUndefined()
    expect(done.cutShort).toBe(0)
    expect(done.runs).toBeGreaterThan(40)
  })

  test.each([
    { ring: format2, seeds: 2 * MIXES.length },
    { ring: format2Overwrite, seeds: MIXES.length },
    { ring: format2Reader, seeds: MIXES.length },
    { ring: format2OverwriteReader, seeds: MIXES.length },
    { ring: format2Work, seeds: MIXES.length },
  ])('under random faults, $ring.name, $seeds seeds', async ({ ring, seeds }) => {
    const counts = await explored(simulatedRing(ring), { mix: 'each', seeds })
    expect(counts.delivered).toBeGreaterThan(10 * seeds)
  })
})

/** Seeds that found something once, when disks and plans were made as they are now. */
test.each([
  ['each', 8, 'there was no room for showing a part of what one call had pushed'],
  ['silent-reset', 172, 'the storage lost a part of a batch before the flush that was to keep it'],
  ['pages', 191, 'an older slot from the page cache sent the consumer back'],
  ['storm', 570, 'the depth was wrong while the consumer had to go back'],
  [
    'flip',
    28,
    'the oracle took an epoch that began at the place of the consumer for acknowledged damage',
  ],
  [
    'each',
    70_012,
    'what hides items from reading backward had a code that the oracle did not know',
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
  ['eio', 1673, 'acknowledging was ignored behind a cursor right before what was given up'],
])('a ring that overwrites, %s, seed %i: %s', async (mix, seed) => {
  const outcome = await runSeed(format2Overwrite, seed, { mix })
  expect(outcome.broken).toBeUndefined()
})

test.each([
  ['each', 5278, 'the memory of a view was used again where its item had left the ring'],
  ['each', 20_163, 'the memory of a view was used again where its item had left the ring'],
  [
    'swarm',
    9134,
    'what was acknowledged behind an entry that was overwritten was not written with its acknowledgement',
  ],
])('handlers of items that may be overwritten, %s, seed %i: %s', async (mix, seed) => {
  const outcome = await runSeed(ringNamed('2-overwrite-work'), seed, { mix })
  expect(outcome.broken).toBeUndefined()
})

test('acknowledging in any order, swarm, seed 770696: the model took a lazy acknowledgement for none because its write failed', async () => {
  const outcome = await runSeed(format2Reader, 770_696, { mix: 'swarm' })
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
