import { expect, test } from 'vitest'
import { leases } from '../../src/sim/index.ts'
import { SEED } from '../helpers/seed.ts'
import { explored } from './explored.ts'

test.each([
  ['any', 40],
  ['drift', 20],
  ['race', 120],
])('hosts never hold a role together, whatever befalls them: %s, %i seeds', async (mix, seeds) => {
  const counts = await explored(leases, { mix, from: SEED, seeds })
  // What was to be seen has happened.
  expect(counts.acknowledged).toBeGreaterThan(10 * seeds)
  expect(counts.takeovers).toBeGreaterThan(10)
  expect(counts.lost).toBeGreaterThan(10)
})

test('forged records, 40 seeds: no stranger is fenced, no two hold the role, and work continues once they are broken', async () => {
  const counts = await explored(leases, { mix: 'hostile', from: SEED, seeds: 40 })
  expect(counts.acknowledged).toBeGreaterThan(300)
  expect(counts.lost).toBeGreaterThan(16)
})
