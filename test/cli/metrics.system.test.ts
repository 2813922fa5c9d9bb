import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { startFake } from '../helpers/fake-nbd.ts'
import { needs } from '../helpers/interop.ts'
import { jsonError, ok, sbr, start, temporaryFolder } from './cli.ts'
import { parseExposition } from './exposition.ts'
import { makeRing } from './tools.ts'

function promtool(...args: readonly string[]): (input: string) => ReturnType<typeof spawnSync> {
  return (input) => spawnSync('promtool', args, { input, encoding: 'utf8' })
}

function promtoolProblem(): string | undefined {
  const { error } = promtool('--version')('')
  return error && `promtool (Debian package prometheus) cannot be started: ${error.message}`
}

test('what Prometheus says of the metrics of a ring at work, and of one with an evil name', async (context) => {
  needs(context, promtoolProblem())
  using folder = temporaryFolder()
  const [busy, evil, old] = [folder.file('busy'), folder.file('a"b\\{}'), folder.file('old')]
  await makeRing(busy, 'one\ntwo\n')
  await ok(['create', evil, '--size', '64KiB', '--name', 'x"} 1\n# TYPE y\\" counter'])
  await ok(['create', old, '--size', '64KiB', '--format', '1'])
  await using consumer = start(['consume', busy, '--lease', 'host-a', '--client', 'c"\\'])
  await consumer.printed((stdout) => stdout.includes('two'))
  const ended = await sbr(['metrics', busy, evil, old, folder.file('none')])
  expect(ended.code).toBe(1)
  const text = ended.stdout.toString()
  const checked = promtool('check', 'metrics')(text)
  expect([checked.status, checked.stdout, checked.stderr]).toEqual([0, '', ''])
  // It does look.
  const wrong = text.replaceAll('_committed_items_total', '_committed_items')
  expect(promtool('check', 'metrics')(wrong).status).toBe(3)
  const families = parseExposition(text)
  const held = families.get('shared_block_ring_role_held')?.samples
  expect(held?.filter(({ value }) => value === 1).map(({ labels }) => labels)).toEqual([
    { device: busy, role: 'consumer' },
  ])
  const [lease] = families.get('shared_block_ring_lease_info')?.samples ?? []
  expect(lease?.labels).toEqual({ device: busy, role: 'consumer', owner: 'host-a' })
})

test('a device that fails hides no other, and the reason is an error', async () => {
  using folder = temporaryFolder()
  const [ring, none] = [folder.file('ring'), folder.file('none')]
  await makeRing(ring, 'one\n')
  const asJson = await sbr(['metrics', none, ring, '--json'])
  expect([asJson.code, jsonError(asJson)]).toMatchObject([1, { code: 'BLOCK_OPEN', device: none }])
  const ended = await sbr(['metrics', none, ring])
  expect(ended.code).toBe(1)
  const families = parseExposition(ended.stdout.toString())
  expect(families.get('shared_block_ring_up')?.samples.map(({ value }) => value)).toEqual([0, 1])
  expect(families.get('shared_block_ring_waiting_items')?.samples).toEqual([
    { labels: { device: ring }, value: 1 },
  ])
})

test('a server that never answers is given up', async () => {
  using folder = temporaryFolder()
  const [ring, socket] = [folder.file('ring'), folder.file('socket')]
  await makeRing(ring, 'one\n')
  await using _silent = await startFake(socket, () => new Promise(() => {}))
  const uri = `nbd+unix:///?socket=${socket}`
  const ended = await sbr(['metrics', uri, ring, '--request-timeout', '1s'])
  expect([ended.code, ended.stderr]).toEqual([
    1,
    `sbr: ${uri} could not be inspected within 1 s; allow more: --request-timeout (BLOCK_TIMEOUT)\n`,
  ])
  expect(parseExposition(ended.stdout.toString()).get('shared_block_ring_up')?.samples).toEqual([
    { labels: { device: uri }, value: 0 },
    { labels: { device: ring }, value: 1 },
  ])
})

test('a name that looks like another one keeps no ring from being surveyed', async () => {
  using folder = temporaryFolder()
  const rings = ['a\n', 'a\\n', 'a\x1b', 'a\\x1b'].map((name) => folder.file(name))
  for (const ring of rings) await makeRing(ring, 'one\n')
  const text = (await ok(['metrics', ...rings])).toString()
  // The parser refuses two samples with the same labels.
  const up = parseExposition(text).get('shared_block_ring_up')?.samples
  expect(up?.map(({ value }) => value)).toEqual([1, 1, 1, 1])
  expect((await ok(['check', ...rings])).toString().split('\n')).toHaveLength(5)
})

test('one device twice, and none, are wrong usage', async () => {
  using folder = temporaryFolder()
  const ring = folder.file('ring')
  await makeRing(ring, 'one\n')
  for (const devices of [[], [ring, ring]])
    expect((await sbr(['metrics', ...devices])).code).toBe(2)
})
