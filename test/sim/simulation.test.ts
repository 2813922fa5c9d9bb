import { describe, expect, test } from 'vitest'
import type { PoppedItem } from '../../src/ring/types.ts'
import { explain, explore, runSeed } from '../../src/sim/ring/explore.ts'
import { format1 } from '../../src/sim/ring/format1.ts'
import type { RingUnderTest } from '../../src/sim/ring/guarantees.ts'
import { addCounts } from '../../src/sim/runs/simulated.ts'
import { EVENT_FAULTS, type FaultKind, REQUEST_FAULTS } from '../../src/sim/world/faults.ts'
import { noCounts, type SimCounts } from '../../src/sim/world/world.ts'

describe('a simulation', () => {
  test.each(['honest', 'all'])('repeats exactly for the same seed: %s', async (mix) => {
    for (const seed of [1, 2, 3]) {
      const once = await runSeed(format1, seed, { mix, traced: true })
      const again = await runSeed(format1, seed, { mix, traced: true })
      expect(once.trace.length).toBeGreaterThan(100)
      expect(again.trace).toEqual(once.trace)
    }
  })

  test('differs for another seed', async () => {
    const one = await runSeed(format1, 1, { mix: 'none', traced: true })
    const other = await runSeed(format1, 2, { mix: 'none', traced: true })
    expect(one.trace).not.toEqual(other.trace)
  })

  test('injects every kind of fault', async () => {
    const counts: SimCounts = noCounts()
    const settings = ['lateWrite', 'secondHandle'] as const
    const expected: FaultKind[] = [...REQUEST_FAULTS, ...EVENT_FAULTS, 'refuse', ...settings]
    const missing = (): FaultKind[] => expected.filter((kind) => !counts.faults[kind])
    for (let seed = 1; seed <= 250 && (missing().length > 0 || counts.crashes <= 100); seed++) {
      addCounts(counts, (await runSeed(format1, seed, { mix: 'all' })).counts)
    }
    expect(missing()).toEqual([])
    expect(counts.crashes).toBeGreaterThan(100)
  })

  test('knows that a read-only device is refused, whoever has claimed the role', async () => {
    const { broken, counts } = await runSeed(format1, 60_940, { mix: 'honest' })
    expect(broken).toBeUndefined()
    expect(counts.faults).toMatchObject({ refuse: expect.any(Number) })
    expect(counts.faults).toMatchObject({ secondHandle: expect.any(Number) })
  })
})

/** Format 1, but what its consumer answers is changed on the way. */
function lying(change: (items: PoppedItem[]) => unknown): RingUnderTest {
  return {
    ...format1,
    attachConsumer: async (device, options) => {
      const consumer = await format1.attachConsumer(device, options)
      const popMany = consumer.popMany.bind(consumer)
      consumer.popMany = async (how) => {
        const items = [...(await popMany(how))]
        change(items)
        return items
      }
      return consumer
    },
  }
}

describe('a ring that violates its guarantees is found', () => {
  test.each([
    ['lost', lying((items) => items.length > 1 && items.shift())],
    ['repeated', lying((items) => items.push(...items.slice(0, 1)))],
    ['invented', lying((items) => items[0]?.item.fill(7))],
    ['lost', lying((items) => items.splice(0))],
  ])('%s', async (kind, ring) => {
    const { failing } = await explore(ring, { mix: 'none', seeds: 20 })
    expect(failing?.broken?.kind).toBe(kind)
  })

  test('with one command to replay it, and a trace that is short', async () => {
    const ring = lying((items) => items.length > 1 && items.shift())
    const { failing } = await explore(ring, { mix: 'kill', seeds: 20 })
    if (failing === undefined) throw new Error('nothing was found')
    const text = await explain(ring, failing, { mix: 'kill' })
    expect(text).toContain(`npm run sim -- --seed ${failing.plan.seed} --format 1 --mix kill`)
    // What was skipped is lost, or comes too late after a kill: the trace ends in what was found.
    expect(['lost', 'repeated']).toContain(failing.broken?.kind)
    expect(text).toContain(`VIOLATION (${failing.broken?.kind})`)
    expect(text.split('\n').length).toBeLessThan(90)
  })

  test('when it hangs', async () => {
    const ring: RingUnderTest = {
      ...format1,
      attachConsumer: async (_device, { clock }) => {
        for (;;) await clock?.sleep(1)
      },
    }
    expect((await runSeed(ring, 1, { mix: 'none' })).broken?.kind).toBe('hang')
  })

  test('when attaching takes too many requests', async () => {
    const ring: RingUnderTest = {
      ...format1,
      attachConsumer: async (device, options) => {
        for (let reads = 0; reads < 300; reads++) await device.read(0, [device.allocate(512)])
        return format1.attachConsumer(device, options)
      },
      shape: () => ({ sectorSize: 512, sizeSectors: 6, physicalSectorSize: 512 }),
    }
    expect((await runSeed(ring, 1, { mix: 'none' })).broken?.kind).toBe('unbounded')
  })
})
