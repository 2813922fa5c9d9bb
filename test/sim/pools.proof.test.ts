import { expect, test } from 'vitest'
import { pools } from '../../src/sim/index.ts'
import { POOLS_MIXES } from '../../src/sim/pools/plan.ts'
import { SEED } from '../helpers/seed.ts'
import { explored } from './explored.ts'

test.each(Object.keys(POOLS_MIXES))(
  'a pool keeps its guarantees, whatever befalls the programs that change it: %s, 6 seeds',
  async (mix) => {
    const counts = await explored(pools, { mix, from: SEED, seeds: 6 })
    // What was to be seen has happened.
    expect(counts.changes).toBeGreaterThan(12)
  },
)
