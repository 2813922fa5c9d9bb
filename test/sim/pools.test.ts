import { describe, expect, test } from 'vitest'
import { pools, simulatedNamed } from '../../src/sim/index.ts'
import { poolsPlanOf } from '../../src/sim/pools/plan.ts'
import { shrinkPools } from '../../src/sim/pools/shrink.ts'
import { simulatePools } from '../../src/sim/pools/simulation.ts'
import { explored } from './explored.ts'

describe('a pool keeps its guarantees, whatever befalls the programs that change it', () => {
  test('in 9 seeds', async () => {
    const counts = await explored(pools, { mix: 'each', seeds: 9 })
    // What was to be seen has happened.
    expect(counts.changes).toBeGreaterThan(40)
    expect(counts.crashes).toBeGreaterThan(20)
    for (const kind of ['power', 'reset', 'tornRead', 'killProducer'] as const) {
      expect(counts.faults[kind]).toBeGreaterThan(0)
    }
  })

  test('draws every kind of fault and change', () => {
    const plans = Array.from({ length: 100 }, (_, seed) => poolsPlanOf(seed, 'each'))
    const steps = plans.flatMap(({ programs }) => programs.flat())
    expect(new Set(steps.map(({ kind }) => kind)).size).toBe(10)
    const moments = plans.flatMap(({ events }) => events)
    expect(new Set(moments.map(({ kind, amid }) => `${kind} ${amid}`)).size).toBe(9)
    expect(new Set(plans.map(({ hosts }) => hosts)).size).toBe(2)
    expect(new Set(plans.map(({ usedBefore }) => usedBefore)).size).toBe(2)
    expect(
      plans.some(({ sectorSize, physicalSectorSize }) => sectorSize > physicalSectorSize),
    ).toBe(true)
  })
})

test.each(['hosts', 'honest'])('a run repeats exactly: %s', async (mix) => {
  const plan = { ...poolsPlanOf(3, mix, 4), usedBefore: false }
  const once = await simulatePools(plan, true)
  const again = await simulatePools(plan, true)
  expect(once.trace.length).toBeGreaterThan(50)
  expect(again.trace).toEqual(once.trace)
})

test('an unknown mix is an error', () => {
  expect(() => poolsPlanOf(1, 'any')).toThrow(RangeError)
  expect(simulatedNamed('pools')).toBe(pools)
  expect(() => simulatedNamed('ponds')).toThrow('no format ponds; known are 1, 2, ')
})

describe('a run that violates a guarantee', () => {
  test('is found, shrunk, and reported with one command', {
    timeout: 120_000,
  }, async () => {
    // Writes that are acknowledged and never happen.
    const plan = { ...poolsPlanOf(1, 'none'), rates: { lostWrite: 0.2 } }
    const failing = await simulatePools(plan)
    expect(failing.broken).toBeDefined()
    const shrunk = await shrinkPools(failing)
    expect(shrunk.broken?.kind).toBe(failing.broken?.kind)
    const stepsIn = (programs: typeof plan.programs): number => programs.flat().length
    expect(stepsIn(shrunk.plan.programs)).toBeLessThan(stepsIn(plan.programs) / 3)
    expect(shrunk.fired.length).toBeGreaterThan(0)
    const text = await pools.explain(failing, { mix: 'none' })
    expect(text).toContain('npm run sim -- --seed 1 --format pools --mix none')
    expect(text).toContain(`VIOLATION (${failing.broken?.kind})`)
    expect(text.split('\n').length).toBeLessThan(140)
  })
})
