import { describe, expect, test } from 'vitest'
import {
  HOSTS_MIXES,
  hostsPlanOf,
  leases,
  type Mishap,
  shrinkHosts,
  simulateHosts,
} from '../../src/sim/index.ts'
import { explored } from './explored.ts'

describe('hosts never hold a role together, whatever befalls them', () => {
  test('in 8 seeds', async () => {
    const counts = await explored(leases, { seeds: 8 })
    // What was to be seen has happened.
    expect(counts.acknowledged).toBeGreaterThan(80)
    expect(counts.takeovers).toBeGreaterThan(4)
    expect(counts.lost).toBeGreaterThan(4)
  })

  test('draws every kind of fault', () => {
    const kinds = new Set<string>()
    for (let seed = 1; seed <= 100; seed++) {
      for (const { what } of hostsPlanOf(seed, 'any').mishaps) kinds.add(what)
    }
    const all = ['stop', 'sleep', 'freeze', 'cut', 'kill', 'forward', 'back', 'late']
    expect([...kinds].sort()).toEqual(all.sort())
  })

  test('draws a read to renew a lease that is answered only after the lease has ended', async () => {
    const isReadLate = (seed: number): boolean =>
      hostsPlanOf(seed, 'drift').mishaps.some(({ amid }) => amid === 'renewal')
    const [seed = 0] = Array.from({ length: 100 }, (_, at) => at).filter(isReadLate)
    const { broken, trace } = await simulateHosts(hostsPlanOf(seed, 'drift'), true)
    expect(broken).toBeUndefined()
    const at = trace.findIndex((line) => line.includes('amid its next renewal'))
    expect(at).toBeGreaterThan(0)
    const read = trace.findIndex((line, index) => index > at && /host-0 0 reads/.test(line))
    expect(read).toBeGreaterThan(at)
    expect(trace.slice(at).filter((line) => /host-0 0 issues a write/.test(line))).toEqual([])
    // What CI runs has it: see scripts/proofs.mjs.
    const swarm = Array.from({ length: 300 }, (_, index) => hostsPlanOf(1001 + index, 'swarm'))
    const late = swarm.filter(({ mishaps }) => mishaps.some(({ amid }) => amid === 'renewal'))
    expect(late.length).toBeGreaterThan(20)
  })
})

test('forged records, 4 seeds: no stranger is fenced, no two hold the role, and work continues once they are broken', async () => {
  const counts = await explored(leases, { mix: 'hostile', seeds: 4 })
  expect(counts.acknowledged).toBeGreaterThan(30)
  expect(counts.lost).toBeGreaterThan(1)
  const forged = Array.from(
    { length: 50 },
    (_, seed) => hostsPlanOf(seed, 'hostile').forgeries ?? [],
  )
  expect(new Set(forged.flat().map(({ what }) => what)).size).toBe(6)
})

test.each(Object.keys(HOSTS_MIXES))('a run repeats exactly: %s', async (mix) => {
  const once = await simulateHosts(hostsPlanOf(3, mix), true)
  const again = await simulateHosts(hostsPlanOf(3, mix), true)
  expect(once.trace.length).toBeGreaterThan(50)
  expect(again.trace).toEqual(once.trace)
})

test('an unknown mix is an error', () => {
  expect(() => hostsPlanOf(1, 'none')).toThrow(RangeError)
})

describe('a run that violates a guarantee', () => {
  // Clocks that differ in speed by more than leases bear: the fast hosts fence a holder that still has time.
  const plan = hostsPlanOf(1, 'drift')
  const hosts = plan.hosts.map((host, at) => ({ ...host, ...(at > 0 && { rate: 1.6 }) }))
  const needless: Mishap = { atMs: 1000, host: 1, what: 'forward', ms: 1000, lateMs: 0 }

  test('is found, shrunk, and reported with one command', {
    timeout: 120_000,
  }, async () => {
    const failing = await simulateHosts({ ...plan, hosts, mishaps: [needless, ...plan.mishaps] })
    expect(failing.broken?.kind).toBe('works on')
    const shrunk = await shrinkHosts(failing)
    expect(shrunk.broken?.kind).toBe('works on')
    expect(shrunk.plan.mishaps).toMatchObject([{ what: 'late', amid: 'lease' }])
    const text = await leases.explain(failing, { mix: 'drift' })
    expect(text).toContain('npm run sim -- --seed 1 --format leases --mix drift')
    expect(text).toContain('VIOLATION (works on): host-0 0 goes on after it was fenced')
    expect(text.split('\n').length).toBeLessThan(140)
  })
})
