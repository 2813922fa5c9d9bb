import { expect, test } from 'vitest'
import { GROUPS_MIXES } from '../../src/sim/groups/plan.ts'
import { groups } from '../../src/sim/index.ts'
import { SEED } from '../helpers/seed.ts'
import { explored } from './explored.ts'

test.each(Object.keys(GROUPS_MIXES))(
  'a group keeps its guarantees, whatever befalls its members: %s, 3 seeds',
  async (mix) => {
    const counts = await explored(groups, { mix, from: SEED, seeds: 3 })
    // What was to be seen has happened.
    expect(counts.moves).toBeGreaterThan(10)
    expect(counts.delivered).toBeGreaterThan(100)
  },
)
