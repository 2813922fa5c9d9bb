import { expect, test } from 'vitest'
import { explain, explore, ringNamed, runSeed } from '../../src/sim/index.ts'

const format2 = ringNamed('2')

/** Mixes in which format 2 is held to all that it promises so far. */
const MIXES = ['none', 'kill', 'power', 'storm', 'eio', 'reset', 'silent-reset', 'tears', 'rot']

test.each(MIXES)('format 2 keeps its promises under %s', async (mix) => {
  const { failing, counts } = await explore(format2, { mix, seeds: 40 })
  if (failing !== undefined) throw new Error(await explain(format2, failing, { mix }))
  expect(counts.delivered).toBeGreaterThan(500)
})

/** Seeds that found something once. */
test.each([
  ['storm', 980, 'epochs were merged across what a consumer had seen'],
  ['storm', 2166, 'a cursor was not taken back that counted items which were dropped'],
  ['none', 132, 'markers of partial advances overwrote items'],
])('%s, seed %i: %s', async (mix, seed) => {
  const outcome = await runSeed(format2, seed, { mix })
  expect(outcome.broken).toBeUndefined()
})
