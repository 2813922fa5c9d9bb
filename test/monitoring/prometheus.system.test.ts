import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { beforeEach, expect, test, vi } from 'vitest'
import { temporaryFolder } from '../cli/cli.ts'
import { needs } from '../helpers/interop.ts'

const folder = fileURLToPath(new URL('../../examples/monitoring/', import.meta.url))

beforeEach((context) => {
  const missing = ['prometheus', 'promtool'].find(
    (program) => spawnSync(program, ['--version']).error !== undefined,
  )
  needs(context, missing && `${missing} (Debian package prometheus) cannot be started`)
})

test('the alerts do what their tests say', () => {
  const args = ['test', 'rules', 'alerts.test.yaml']
  const { status, stdout, stderr } = spawnSync('promtool', args, { cwd: folder, encoding: 'utf8' })
  expect([status, stderr], stdout).toEqual([0, ''])
})

/** A program that is ended with the test, and the first group of what it prints. */
async function started(
  program: string,
  args: readonly string[],
  says: RegExp,
): Promise<AsyncDisposable & { readonly said: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  let printed = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (text) => {
      printed += text
    })
  }
  const ended = exited.then(() => {
    throw new Error(`${program} ended: ${printed}`)
  })
  ended.catch(() => undefined)
  await Promise.race([ended, vi.waitUntil(() => says.test(printed), { timeout: 30_000 })])
  return {
    said: says.exec(printed)?.[1] ?? '',
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}

test('Prometheus scrapes a running pair', async () => {
  using temporary = temporaryFolder()
  const ring = temporary.file('orders.ring')
  await using pair = await started(process.execPath, [`${folder}server.mjs`, ring], /port (\d+)/)
  const config = temporary.file('prometheus.yaml')
  const target = `127.0.0.1:${pair.said}`
  const scrape = { job_name: 'pair', static_configs: [{ targets: [target] }] }
  const settings = { global: { scrape_interval: '200ms' }, rule_files: [`${folder}alerts.yaml`] }
  writeFileSync(config, JSON.stringify({ ...settings, scrape_configs: [scrape] }))
  const args = [
    ...[`--config.file=${config}`, `--storage.tsdb.path=${temporary.file('data')}`],
    '--web.listen-address=127.0.0.1:0',
  ]
  await using prometheus = await started('prometheus', args, /address=127\.0\.0\.1:([1-9]\d*)/)
  const ask = async (query: string): Promise<number> => {
    const url = `http://127.0.0.1:${prometheus.said}/api/v1/query?query=${encodeURIComponent(query)}`
    const response = await fetch(url).catch(() => undefined)
    if (response?.status !== 200) return Number.NaN
    const { data } = (await response.json()) as {
      readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] }
    }
    return Number(data.result[0]?.value[1])
  }
  const options = { timeout: 30_000, interval: 100 }
  await vi.waitUntil(async () => (await ask('shared_block_ring_writer_items_total')) > 3, options)
  expect(await ask('up')).toBe(1)
  expect(await ask(`shared_block_ring_up{device="${ring}"}`)).toBe(1)
  expect(await ask('shared_block_ring_committed_items_total')).toBeGreaterThan(0)
  expect(await ask('shared_block_ring_handler_items_total{outcome="handled"}')).toBeGreaterThan(0)
  expect(await ask('shared_block_ring_reader_push_to_receipt_seconds_count')).toBeGreaterThan(0)
}, 60_000)
