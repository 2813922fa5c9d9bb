import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Instruments } from '../../src/metrics/index.ts'

const folder = new URL('../../examples/monitoring/', import.meta.url)
const read = (name: string): string => readFileSync(new URL(name, folder), 'utf8')

/** All names that Prometheus gets. */
function known(): ReadonlySet<string> {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  using instruments = new Instruments({ rings: { device } })
  const names = instruments
    .descriptors()
    .flatMap(({ name, type }) =>
      type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
    )
  return new Set(names)
}

test.each(['dashboard.json', 'alerts.yaml', 'alerts.test.yaml'])(
  'every metric that %s names exists',
  (name) => {
    const named = read(name).match(/\bshared_block_ring_\w+/g) ?? []
    expect(named.length).toBeGreaterThan(8)
    const names = known()
    expect(named.filter((one) => !names.has(one))).toEqual([])
  },
)

interface Panel {
  readonly title: string
  readonly targets: readonly { readonly expr: string }[]
}

test('every panel of the dashboard asks for a metric, and each has a name of its own', () => {
  const { panels } = JSON.parse(read('dashboard.json')) as { readonly panels: readonly Panel[] }
  for (const { title, targets } of panels) {
    expect(targets.length, title).toBeGreaterThan(0)
    for (const { expr } of targets) expect(expr).toContain('shared_block_ring_')
  }
  expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
})
