// npm run bench:busy: the engines of a file where the machine, or the program itself, has other things to do. How long a push takes that
// comes every few milliseconds, how many get done with 64 in flight, and how long a server in the same process takes to answer.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Requests } from './busy/requests.mjs'
import { quantile, summary } from './lib/result.mjs'
import { FileBlockDevice, Producer } from './lib/ring.mjs'
import { markdown } from './lib/table.mjs'

const USAGE = `npm run bench:busy [-- OPTIONS]
  --rounds N       how often everything is measured (default 3)
  --only TEXT      situations whose name contains it, such as "server"
  --quick          one short round
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const RING_BYTES = 64 << 20
const COUNT = values.quick ? 50 : 300
const MS = values.quick ? 100 : 400
/** Requests come every millisecond, so that is half of it. */
const BURN_MS = 0.5
const GROUPS = '/sys/fs/cgroup/cpu'

const SITUATIONS = [
  { name: 'nothing else' },
  { name: 'a server at half load', options: { burnMs: BURN_MS } },
  { name: 'half a core', halved: true },
  { name: 'a neighbour that syncs', neighbour: true },
  { name: "Node's threads busy", options: { threads: 4 } },
]

const ENGINES = [
  { name: 'pool (default)', engine: 'pool' },
  { name: 'pool, UV_THREADPOOL_SIZE=16', engine: 'pool', env: { UV_THREADPOOL_SIZE: '16' } },
  { name: 'sync', engine: 'sync' },
  { name: 'adaptive', engine: 'adaptive' },
]

if (values.help) console.log(USAGE)
else await main()

async function main() {
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  const rounds = values.quick ? 1 : Number(values.rounds)
  const rows = SITUATIONS.filter(({ name }) => name.includes(values.only)).flatMap((situation) =>
    ENGINES.map((engine) => ({ situation, engine, samples: [] })),
  )
  try {
    for (let round = 1; round <= rounds; round++) {
      for (const row of rows) {
        console.error(`round ${round} of ${rounds}: ${row.situation.name}, ${row.engine.name}`)
        row.samples.push(await measure(row, folder))
      }
    }
    console.log(tableOf(rows))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure({ situation, engine }, folder) {
  const path = join(folder, 'ring')
  const device = await FileBlockDevice.create(path, { sizeBytes: RING_BYTES })
  await Producer.create(device)
  await device.disconnect()
  const children = []
  const group = situation.halved ? makeGroup() : undefined
  try {
    if (situation.halved && group === undefined) return undefined
    if (situation.neighbour) {
      const neighbour = await start('neighbour', [join(folder, 'neighbour')])
      children.push(neighbour)
      await neighbour.ready
    }
    const options = JSON.stringify({ ...situation.options, engine: engine.engine })
    const worker = await start('worker', [path, options], engine.env)
    children.push(worker)
    const { answer: port } = await worker.ready
    if (group !== undefined) writeFileSync(join(group, 'cgroup.procs'), String(worker.child.pid))
    const requests = port > 0 ? new Requests(port) : undefined
    // What comes first has compiled nothing yet.
    await ask(worker, { action: 'inFlight', ms: MS })
    const paced = await ask(worker, { action: 'paced', count: COUNT })
    const rate = await ask(worker, { action: 'inFlight', ms: MS })
    const answers = await requests?.stop()
    return {
      median: quantile(paced, 0.5),
      p99: quantile(paced, 0.99),
      rate,
      answered: answers && quantile(answers, 0.99),
    }
  } finally {
    for (const { child } of children.reverse()) await stop(child)
    if (group !== undefined) rmdirSync(group)
    await rm(path, { force: true })
  }
}

/** A control group with half a core; undefined where none can be made. */
function makeGroup() {
  if (!existsSync(join(GROUPS, 'cpu.cfs_quota_us'))) return undefined
  const group = join(GROUPS, `sbr-bench-${process.pid}`)
  try {
    mkdirSync(group)
    writeFileSync(join(group, 'cpu.cfs_period_us'), '100000')
    writeFileSync(join(group, 'cpu.cfs_quota_us'), '50000')
    return group
  } catch (error) {
    console.error(`No control group, which takes root: ${error.message}`)
    return undefined
  }
}

async function start(program, args, env = {}) {
  const script = fileURLToPath(new URL(`busy/${program}.mjs`, import.meta.url))
  const child = fork(script, args, { env: { ...process.env, ...env } })
  return { child, ready: once(child, 'message').then(([message]) => message) }
}

async function ask({ child }, question) {
  const answered = once(child, 'message')
  child.send(question)
  const [{ answer }] = await answered
  return answer
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}

function tableOf(rows) {
  const head = ['meanwhile', 'engine', 'push, median', 'push, 99 %', '64 in flight', 'server, 99 %']
  const shown = rows
    .map(({ situation, engine, samples }) => {
      const having = samples.filter((sample) => sample !== undefined)
      if (having.length === 0) return undefined
      const of = (name) => summary(having.map((sample) => sample[name])).median
      const ms = (value) => (Number.isFinite(value) ? `${value.toFixed(2)} ms` : '')
      const rate = `${(of('rate') / 1000).toFixed(0)} k/s`
      return [
        situation.name,
        engine.name,
        ms(of('median')),
        ms(of('p99')),
        rate,
        ms(of('answered')),
      ]
    })
    .filter((row) => row !== undefined)
  return markdown([head, ...shown])
}
