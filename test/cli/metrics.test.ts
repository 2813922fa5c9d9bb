import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { failureOf, type Surveyed, surveyAll } from '../../src/cli/device/survey.ts'
import { exposition } from '../../src/metrics/exposition.ts'
import { collect, ringFamilies } from '../../src/metrics/rings.ts'
import type { RingSurvey } from '../../src/metrics/survey.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { RECORD } from '../helpers/lease-record.ts'
import { attachProducer } from '../helpers/ring.ts'
import { temporaryFolder } from './cli.ts'
import { parseExposition } from './exposition.ts'

const { signal } = new AbortController()

async function surveyed(...devices: string[]): Promise<readonly Surveyed[]> {
  return await surveyAll(devices, {}, signal)
}

/** The samples of a name as `label=value … number`, without the device. */
function samplesOf(text: string, name: string): string[] {
  const family = parseExposition(text).get(`shared_block_ring_${name}`)
  return (family?.samples ?? []).map(({ labels: { device, ...labels }, value }) =>
    [...Object.entries(labels).map(([label, of]) => `${label}=${of}`), value].join(' '),
  )
}

/** A ring with three items, of which one is popped. */
async function makeRing(path: string, format: 1 | 2, name = ''): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 128 * 1024 })
  await Producer.create(device, format === 1 ? { format } : { format, name, blockSize: 512 })
  const names = { queue: name, client: `${name} used by itself` }
  const producer = await attachProducer(device, names)
  await producer.append([Buffer.from('one'), Buffer.from('two'), Buffer.from('three')])
  await producer.close()
  const consumer = await Consumer.attach(device, names)
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error(popped.status)
  await consumer.advance(popped.position)
  await consumer.close()
}

test('a ring of format 2 is told in full', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 2, 'jobs')
  const surveys = await surveyed(path)
  const text = exposition(ringFamilies(surveys))
  const [{ state } = {} as RingSurvey] = surveys as readonly RingSurvey[]
  const { stats, ring } = state
  const told: Readonly<Record<string, readonly string[]>> = {
    up: ['1'],
    info: [`format=2 uuid=${ring?.uuid} name=jobs on_full=wait 1`],
    known: ['what=items 1', 'what=oldest_item 1', 'what=leases 1', 'what=holders 1'],
    capacity_bytes: [`${state.capacityBytes}`],
    used_bytes: [`${state.usedBytes}`],
    fill_ratio: [`${state.usedBytes / state.capacityBytes}`],
    waiting_items: ['2'],
    waiting_bytes: ['8'],
    oldest_item_timestamp_seconds: [`${(stats?.oldestAt ?? 0) / 1000}`],
    lag_seconds: [`${(stats?.lagMs ?? Number.NaN) / 1000}`],
    committed_items_total: ['3'],
    committed_bytes_total: ['11'],
    acknowledged_items_total: ['1'],
    acknowledged_bytes_total: ['3'],
    commits_total: ['1'],
    full_pushes_total: ['0'],
    damaged_items_total: ['0'],
    missed_items_total: ['0'],
    unreadable_bytes: ['0'],
    suspend_requested: ['0'],
    suspended: ['0'],
    role_info: [
      'role=producer queue=jobs client=jobs used by itself 1',
      'role=consumer queue=jobs client=jobs used by itself 1',
    ],
    role_held: ['role=producer 0', 'role=consumer 0'],
    role_written_timestamp_seconds: [
      `role=producer ${(stats?.producerAt ?? 0) / 1000}`,
      `role=consumer ${(stats?.consumerAt ?? 0) / 1000}`,
    ],
    lease_state: ['producer', 'consumer'].flatMap((role) =>
      ['never 1', 'free 0', 'held 0', 'damaged 0', 'unreadable 0'].map(
        (state) => `role=${role} state=${state}`,
      ),
    ),
  }
  const names = [...parseExposition(text).keys()].map((name) => name.slice(18))
  expect(names).toEqual(Object.keys(told))
  for (const name of names) expect(samplesOf(text, name), name).toEqual(told[name])
})

test('collect tells the same of a device that is open already', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 2, 'jobs')
  await using device = await FileBlockDevice.open(path)
  const told = exposition(await collect(device, { name: path }))
  expect(told).toBe(exposition(ringFamilies(await surveyed(path))))
  expect(exposition(await collect(device))).toContain(`device="${device.name}"`)
})

test('collect refuses unknown options, and what is no ring', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  await expect(collect(device, { label: 'a' } as never)).rejects.toThrow(/no option label/)
  await expect(collect(device)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  const signal = AbortSignal.abort(new Error('enough'))
  await Producer.create(device)
  await expect(collect(device, { signal })).rejects.toThrow('enough')
})

async function labelOf(name: string): Promise<string> {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  await Producer.create(device)
  const [up] = await collect(device, { name })
  return up?.samples[0]?.labels['device'] ?? ''
}

test('a long name is cut at no half of a character, and still differs from others', async () => {
  const start = 'a'.repeat(246)
  const names = [' and more', ' and other', ' and more.'].map((end) => `${start}\u{1f600}${end}`)
  const labels = await Promise.all(names.map(labelOf))
  for (const label of labels) expect(label).toMatch(/^a{246}…[0-9a-f]{8}$/)
  expect(new Set(labels).size).toBe(3)
  expect(await labelOf('a'.repeat(256))).toBe('a'.repeat(256))
  const cut = await labelOf('a'.repeat(257))
  expect(cut).toMatch(/^a{247}…[0-9a-f]{8}$/)
  expect(cut).toHaveLength(256)
})

test('names that only look alike have labels of their own', async () => {
  const names = ['a\n', 'a\\n', 'a\\\n', 'a\\\\n', 'a\x1b', 'a\\x1b', 'a\\', 'a\u202e', 'a\\u202e']
  expect(new Set(await Promise.all(names.map(labelOf))).size).toBe(names.length)
  expect(await labelOf('a\\n')).toBe('a\\\\n')
})

test('what format 1 does not record has no sample, and is said to be unknown', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 1, 'jobs')
  const text = exposition(ringFamilies(await surveyed(path)))
  expect([...parseExposition(text).keys()].map((name) => name.slice(18))).toEqual([
    ...['up', 'info', 'known', 'capacity_bytes', 'used_bytes', 'fill_ratio'],
    ...['suspend_requested', 'suspended', 'role_info', 'role_held'],
  ])
  expect(samplesOf(text, 'info')).toEqual(['format=1 1'])
  expect(samplesOf(text, 'known')).toEqual([
    ...['what=items 0', 'what=oldest_item 0', 'what=leases 0', 'what=holders 1'],
  ])
  // Without the role's state, which its text has too.
  expect(samplesOf(text, 'role_info')).toEqual([
    'role=producer queue=jobs client=jobs used by itself 1',
    'role=consumer queue=jobs client=jobs used by itself 1',
  ])
})

test('a lease is told with its age and its owner', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 2)
  const [ring] = (await surveyed(path)) as readonly RingSurvey[]
  if (ring?.leases === undefined) throw new Error('no leases')
  const damaged = { status: 'damaged', field: 'owner', expected: 'a', found: 'b' } as const
  const leases = { ...ring.leases, producer: RECORD, consumer: damaged }
  const text = exposition(ringFamilies([{ ...ring, leases }]))
  expect(samplesOf(text, 'lease_state').filter((line) => line.endsWith('1'))).toEqual([
    'role=producer state=held 1',
    'role=consumer state=damaged 1',
  ])
  expect(samplesOf(text, 'lease_info')).toEqual(['role=producer owner=host-a 1'])
  expect(samplesOf(text, 'lease_timeout_seconds')).toEqual(['role=producer 30'])
  expect(samplesOf(text, 'lease_written_timestamp_seconds')).toEqual(['role=producer 1700000000'])
  expect(samplesOf(text, 'lease_writes_total')).toEqual(['role=producer 12'])
  expect(samplesOf(text, 'lease_taken_total')).toEqual(['role=producer 3'])
})

test('names from devices end no label, no line, and act on no terminal', async () => {
  using folder = temporaryFolder()
  const evil = 'a"} 1\n# TYPE x\\" counter\r\x1b[31m\u202e'
  const path = folder.file('a"b\\n\n{}, ')
  await makeRing(path, 2, evil)
  const text = exposition(ringFamilies(await surveyed(path, folder.file('"}\n'))))
  expect(text).not.toMatch(/[^\n\x20-\x7e]/)
  const families = parseExposition(text)
  const safe = 'a"} 1\\n# TYPE x\\\\" counter\\r\\x1b[31m\\u202e'
  const [info] = families.get('shared_block_ring_info')?.samples ?? []
  expect(info?.labels['device']).toBe(path.replace('\\', '\\\\').replace('\n', '\\n'))
  expect(info?.labels['name']).toContain(safe)
  const [producer] = families.get('shared_block_ring_role_info')?.samples ?? []
  expect(producer?.labels['queue']).toContain(safe)
  expect(families.get('shared_block_ring_up')?.samples.map(({ value }) => value)).toEqual([1, 0])
})

test('a device that fails hides no other, and all reasons are in one error', async () => {
  using folder = temporaryFolder()
  const [good, bad, worse] = [folder.file('good'), folder.file('bad'), folder.file('worse')]
  await makeRing(good, 2)
  await (await FileBlockDevice.create(bad, { sizeBytes: 64 * 1024 })).disconnect()
  const surveys = await surveyed(bad, good, worse)
  const text = exposition(ringFamilies(surveys))
  expect(samplesOf(text, 'up')).toEqual(['0', '1', '0'])
  expect(samplesOf(text, 'waiting_items')).toEqual(['2'])
  expect(failureOf(surveys)).toMatchObject({
    ...{ code: 'CLI_NOT_INSPECTED', exitCode: 1 },
    message: expect.stringMatching(/^2 of 3 devices .*bad: there is no ring.*worse: there is no/),
    details: { devices: [{ code: 'RING_NOT_INITIALISED' }, { code: 'BLOCK_OPEN' }] },
  })
  expect(failureOf(surveys.slice(0, 2))).toMatchObject({ code: 'RING_NOT_INITIALISED' })
  expect(failureOf(surveys.slice(1, 2))).toBeUndefined()
})

test('a signal ends it', async () => {
  const stopped = AbortSignal.abort(new Error('stopped'))
  const surveying = surveyAll(['/dev/null'], {}, stopped)
  await expect(surveying).rejects.toThrow('stopped')
})

test.each([
  ['no end', '# HELP a b\n# TYPE a gauge\na{} 1'],
  ['no type', '# HELP a b\na{} 1\n'],
  ['an undefined escape', '# HELP a b\n# TYPE a gauge\na{x="\\t"} 1\n'],
  ['an open label', '# HELP a b\n# TYPE a gauge\na{x="} 1\n'],
  ['a sample elsewhere', '# HELP a b\n# TYPE a gauge\nc{} 1\n'],
  ['two of the same labels', '# HELP a b\n# TYPE a gauge\na{x="1",y="2"} 1\na{y="2",x="1"} 2\n'],
  ['no number', '# HELP a b\n# TYPE a gauge\na{} undefined\n'],
  ['a counter without total', '# HELP a b\n# TYPE a counter\na{} 1\n'],
])('the parser of these tests refuses %s', (_, text) => {
  expect(() => parseExposition(text)).toThrow()
})
