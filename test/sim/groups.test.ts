import { describe, expect, test } from 'vitest'
import { GroupsOracle } from '../../src/sim/groups/oracle.ts'
import { groupsPlanOf } from '../../src/sim/groups/plan.ts'
import { shrinkGroups } from '../../src/sim/groups/shrink.ts'
import { simulateGroups } from '../../src/sim/groups/simulation.ts'
import { groups, simulatedNamed } from '../../src/sim/index.ts'
import { explored } from './explored.ts'

describe('a group keeps its guarantees, whatever befalls its members', () => {
  test('in 9 seeds', { timeout: 120_000 }, async () => {
    const counts = await explored(groups, { mix: 'each', seeds: 9 })
    // What was to be seen has happened.
    expect(counts.moves).toBeGreaterThan(60)
    expect(counts.delivered).toBeGreaterThan(2000)
    expect(counts.crashes).toBeGreaterThan(20)
    expect(counts.leaves).toBeGreaterThan(5)
    expect(counts.hangs).toBeGreaterThan(5)
    for (const kind of ['power', 'killBoth', 'readError', 'writeError', 'killProducer'] as const) {
      expect(counts.faults[kind]).toBeGreaterThan(0)
    }
  })

  test('draws every kind of fault and change', () => {
    const plans = Array.from({ length: 100 }, (_, seed) => groupsPlanOf(seed, 'each'))
    const moments = plans.flatMap(({ events }) => events)
    expect(new Set(moments.map(({ kind, amid }) => `${kind} ${amid}`)).size).toBe(14)
    const members = plans.flatMap((plan) => plan.members)
    expect(new Set(members.map(({ how, lazyAck }) => `${how} ${lazyAck}`)).size).toBe(4)
    expect(new Set(plans.map(({ layout, hosts }) => `${layout} ${hosts}`)).size).toBe(4)
    expect(new Set(plans.map(({ rings }) => rings)).size).toBe(7)
  })
})

test.each(['hosts', 'honest'])('a run repeats exactly: %s', async (mix) => {
  const drawn = groupsPlanOf(3, mix)
  const plan = { ...drawn, troubleMs: drawn.troubleMs / 4 }
  const once = await simulateGroups(plan, true)
  const again = await simulateGroups(plan, true)
  expect(once.trace.length).toBeGreaterThan(50)
  expect(again.trace).toEqual(once.trace)
})

test('an unknown mix is an error', () => {
  expect(() => groupsPlanOf(1, 'any')).toThrow(RangeError)
  expect(simulatedNamed('groups')).toBe(groups)
})

describe('the oracle detects', () => {
  const [anna, ben] = ['anna', 'ben'].map((name) => ({ name, number: 1, ended: false }))
  if (anna === undefined || ben === undefined) throw new Error('two members')

  function oracle(): GroupsOracle {
    const made = new GroupsOracle(1, false)
    for (let number = 0; number < 3; number++) made.push('key', 0).committed = true
    made.take(anna as NonNullable<typeof anna>, 0)
    return made
  }

  test('two members with one ring, and one that handles an item of a ring that it has not', () => {
    expect(() => oracle().take(ben, 0)).toThrow('anna has it too')
    expect(() => oracle().begin(ben, 'key:0')).toThrow('which it has not')
  })

  test('items of one key out of order, or at the same time', () => {
    expect(() => oracle().begin(anna, 'key:1')).toThrow('key:0 is not finished')
    const again = oracle()
    again.begin(anna, 'key:0')
    expect(() => again.begin(anna, 'key:1')).toThrow('while key:0 is in a handler')
  })

  test('a ring that moves with unacknowledged items, unless its member died', () => {
    const moving = oracle()
    moving.begin(anna, 'key:0')
    expect(() => moving.release(anna, 0)).toThrow('key:0 in a handler')
    moving.end(anna)
    moving.take(ben, 0)
    expect(moving.begin(ben, 'key:0').running).toBe(true)
  })

  test('an item that is delivered again without a failure', () => {
    const peaceful = oracle()
    const handling = peaceful.begin(anna, 'key:0')
    peaceful.finish(handling)
    peaceful.letGo(handling)
    peaceful.release(anna, 0)
    peaceful.take(ben, 0)
    expect(() => peaceful.begin(ben, 'key:0')).toThrow('comes again')
    expect(peaceful.unfinished.map(({ text }) => text)).toEqual(['key:1', 'key:2'])
  })

  test('an item that nobody pushed', () => {
    expect(() => oracle().begin(anna, 'key:7')).toThrow('anna has the item key:7')
  })
})

test('a run that violates a guarantee is found, shrunk, and reported with one command', {
  timeout: 120_000,
}, async () => {
  // Writes that are acknowledged and never happen.
  const plan = { ...groupsPlanOf(1, 'kill'), rates: { lostWrite: 0.2 } }
  const failing = await simulateGroups(plan)
  expect(failing.broken).toBeDefined()
  const shrunk = await shrinkGroups(failing)
  expect(shrunk.broken?.kind).toBe(failing.broken?.kind)
  expect(shrunk.plan.events.length).toBeLessThan(plan.events.length)
  expect(shrunk.fired.length).toBeGreaterThan(0)
  const text = await groups.explain(failing, { mix: 'kill' })
  expect(text).toContain('npm run sim -- --seed 1 --format groups --mix kill')
  expect(text).toContain(`VIOLATION (${failing.broken?.kind})`)
  expect(text.split('\n').length).toBeLessThan(140)
})
