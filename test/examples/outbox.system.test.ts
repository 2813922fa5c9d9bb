import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { needs } from '../helpers/interop.ts'
import { fetchRuntimes } from '../helpers/runtimes.ts'

const ORDERS = 100

const example = (name: string): string =>
  fileURLToPath(new URL(`../../examples/outbox/${name}`, import.meta.url))

interface Company {
  readonly ring: string
  /** Starts the shop or billing. */
  start(role: 'shop' | 'billing'): ChildProcess
  /** The orders and the invoices, as `order quantity`, and how many messages are left in the outbox. */
  books(): Promise<{ orders: string[]; invoices: string[]; outbox: number }>
}

/** Has both do their work, kills both twice in the middle, and compares the books. */
async function trade({ ring, start, books }: Company): Promise<void> {
  const accepted = new Set<string>()
  for (let life = 1; life <= 3; life++) {
    const shop = start('shop')
    const billing = start('billing')
    const gone = [once(shop, 'close'), once(billing, 'close')] as const
    let output = ''
    shop.stdout?.on('data', (chunk: Buffer) => {
      output += chunk
      if (life === 3 || output.split('\n').length < 30 * life) return
      shop.kill('SIGKILL')
      billing.kill('SIGKILL')
    })
    const ending = await gone[0]
    for (const [, order = ''] of output.matchAll(/accepted (\d+)\n/g)) accepted.add(order)
    if (life < 3) {
      expect(ending).toEqual([null, 'SIGKILL'])
    } else {
      expect(ending).toEqual([0, null])
      while ((await waiting(ring)) > 0) await sleep(20)
      billing.kill('SIGTERM')
      expect(await gone[1]).toEqual([0, null])
    }
    await gone[1]
  }
  const { orders, invoices, outbox } = await books()
  expect(invoices).toEqual(orders)
  expect(outbox).toBe(0)
  const found = new Set(orders.map((line) => line.split(' ')[0]))
  expect([...accepted].filter((order) => !found.has(order))).toEqual([])
  expect(accepted.size).toBeGreaterThan(ORDERS + 50)
}

async function waiting(ring: string): Promise<bigint | number> {
  await using device = await FileBlockDevice.open(ring, { mode: 'read-only' })
  return (await inspectRing(device)).waitingItems ?? 1
}

const lines = (text: string): string[] => text.split('\n').filter(Boolean)

test('with SQLite each order has one invoice, though shop and billing are killed', async (context) => {
  const { runtimes, problem } = await fetchRuntimes()
  needs(context, problem)
  // The tests may run in a Node without SQLite.
  const [node = ''] = runtimes.find(({ name }) => name === 'node 24')?.command ?? []
  using folder = temporaryFolder()
  const place = folder.path
  const query = async (name: string, sql: string): Promise<string[]> => {
    const script = `
      const { DatabaseSync } = require('node:sqlite')
      for (const row of new DatabaseSync(process.argv[1]).prepare(process.argv[2]).all())
        console.log(Object.values(row).join(' '))`
    const args = ['--no-warnings', '-e', script, join(place, name), sql]
    return lines((await promisify(execFile)(node, args)).stdout)
  }
  await trade({
    ring: join(place, 'messages.ring'),
    start: (role) =>
      spawn(node, ['--no-warnings', example('sqlite.mjs'), role, place, String(ORDERS)], {
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    books: async () => ({
      orders: await query('shop.db', 'select id, quantity from orders order by id'),
      invoices: await query(
        'billing.db',
        'select order_id, quantity from invoices order by order_id',
      ),
      outbox: Number((await query('shop.db', 'select count(*) from outbox'))[0]),
    }),
  })
})

/** Where Debian keeps the programs of the server, the newest version first. */
function postgresPath(): string {
  const all = '/usr/lib/postgresql'
  const versions = existsSync(all) ? readdirSync(all).sort((a, b) => Number(b) - Number(a)) : []
  const folders = versions.map((version) => join(all, version, 'bin'))
  return [...folders, process.env['PATH']].join(delimiter)
}

interface Postgres extends AsyncDisposable {
  readonly env: NodeJS.ProcessEnv
}

/** A server of its own, reachable by a socket in its folder; as root it runs as Debian's user for it. */
async function startPostgres(folder: string): Promise<Postgres> {
  const PATH = postgresPath()
  const env = { ...process.env, PATH, PGHOST: folder, PGUSER: 'postgres', PGDATABASE: 'postgres' }
  mkdirSync(folder)
  const isRoot = process.getuid?.() === 0
  const drop = isRoot ? ['setpriv', '--reuid=postgres', '--regid=postgres', '--init-groups'] : []
  if (isRoot) {
    const id = (flag: string): number => Number(execFileSync('id', [flag, 'postgres']))
    chownSync(folder, id('-u'), id('-g'))
  }
  const run = async (...command: readonly string[]): Promise<void> => {
    const [program = '', ...args] = [...drop, ...command]
    const child = spawn(program, args, { cwd: folder, env, stdio: 'ignore' })
    const [code] = await once(child, 'exit')
    if (code !== 0) throw new Error(`${command[0]} ended with ${code}`)
  }
  const data = join(folder, 'data')
  await run('initdb', '--no-sync', '--auth=trust', '--username=postgres', '--pgdata', data)
  const options = `-c listen_addresses= -c fsync=off -c unix_socket_directories=${folder}`
  const log = join(folder, 'log')
  await run('pg_ctl', 'start', '--wait', '--pgdata', data, '--log', log, '-o', options)
  return {
    env,
    [Symbol.asyncDispose]: () => run('pg_ctl', 'stop', '--mode=immediate', '--pgdata', data),
  }
}

function postgresProblem(): string | undefined {
  const found = postgresPath()
    .split(delimiter)
    .some((folder) => existsSync(join(folder, 'initdb')))
  return found ? undefined : 'there is no PostgreSQL server (Debian package postgresql)'
}

test('with PostgreSQL each order has one invoice, though shop and billing are killed', async (context) => {
  needs(context, postgresProblem())
  using folder = temporaryFolder()
  // The server has another user.
  chmodSync(folder.path, 0o711)
  const ring = folder.file('messages.ring')
  await using server = await startPostgres(folder.file('postgres'))
  const query = async (sql: string): Promise<string[]> => {
    const args = ['--no-psqlrc', '-At', '-F', ' ', '-c', sql]
    return lines((await promisify(execFile)('psql', args, { env: server.env })).stdout)
  }
  await trade({
    ring,
    start: (role) =>
      spawn(process.execPath, [example('postgres.mjs'), role, ring, String(ORDERS)], {
        env: server.env,
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    books: async () => ({
      orders: await query('select id, quantity from orders order by id'),
      invoices: await query('select order_id, quantity from invoices order by order_id'),
      outbox: Number((await query('select count(*) from outbox'))[0]),
    }),
  })
})
