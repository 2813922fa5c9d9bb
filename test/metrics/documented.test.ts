import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { collect, Instruments } from '../../src/metrics/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const page = readFileSync(`${root}docs/monitoring.md`, 'utf8')

/** What the first cells of the page's tables name. */
const named = [...page.matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
)

test('docs/monitoring.md lists every channel', () => {
  const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  const channels = sources
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => [
      ...readFileSync(`${root}src/${path}`, 'utf8').matchAll(/'(shared-block-ring:\w+)'/g),
    ])
    .map(([, name]) => name)
  expect(channels.length).toBeGreaterThan(10)
  const listed = named.filter((name) => name.startsWith('shared-block-ring:'))
  expect(listed.sort()).toEqual([...new Set(channels)].sort())
})

test('docs/monitoring.md lists every metric', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  await Producer.create(device)
  using instruments = new Instruments()
  const families = [...(await collect(device)), ...instruments.descriptors()]
  const names = families.map(({ name }) => name.replace('shared_block_ring_', ''))
  expect(names.length).toBeGreaterThan(60)
  const listed = named.filter((name) => !name.startsWith('shared-block-ring:'))
  expect(listed.sort()).toEqual(names.sort())
})
