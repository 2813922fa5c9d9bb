// npm run bench:wake: how long an item takes from a push in one process to its receipt in another, durable writes
// included, and what a consumer costs that waits: for a file whose changes the system tells, and by polling alone.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { RESULTS, writeResult } from './lib/files.mjs'
import { machineOf } from './lib/machine.mjs'
import { quantile } from './lib/result.mjs'
import { FileBlockDevice, Producer } from './lib/ring.mjs'
import { wakeText } from './lib/wake-table.mjs'

const USAGE = `npm run bench:wake [-- OPTIONS]
  --only TEXT      rows whose name contains it, such as "file" or "10 ms"
  --quick          fewer pushes, within half a minute
  --out FOLDER     where to write wake.json (default: bench/results)`

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: RESULTS },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

const RING_BYTES = 1 << 20
const IDLE_MS = values.quick ? 1000 : 5000
const BUSY = { count: values.quick ? 50 : 400, fromMs: 2, toMs: 5 }
/** Long enough for the pauses to grow in between. */
const SPARSE = { count: values.quick ? 4 : 16, fromMs: 400, toMs: 700 }

const variants = [
  { device: 'file', wait: 'hints (default)', options: { hints: true } },
  { device: 'file', wait: 'polls (default)', options: {} },
  { device: 'file', wait: 'polls, 10 ms at most', options: { maxPollMs: 10 } },
  { device: 'loop', wait: 'polls (default)', options: {} },
  { device: 'loop', wait: 'polls, 10 ms at most', options: { maxPollMs: 10 } },
  { device: 'loop', wait: 'polls, 250 ms at most', options: { maxPollMs: 250 } },
]

const loops = []
const children = []

if (values.help) console.log(USAGE)
else await main()

async function main() {
  const directory = await mkdtemp(join(tmpdir(), 'sbr-bench-'))
  try {
    const rows = await measure(directory)
    const whole = !values.quick && values.only === ''
    const result = { whole, machine: machineOf(directory), rows }
    console.log(wakeText(result))
    const name = whole ? 'wake' : 'partial'
    console.error(`Written: ${await writeResult(values.out, name, result)}`)
  } finally {
    await Promise.all(children.map(stop))
    for (const loop of loops) execFileSync('losetup', ['--detach', loop])
    await rm(directory, { recursive: true, force: true })
  }
}

async function measure(directory) {
  const pairs = []
  for (const variant of variants) {
    if (!`${variant.device}, ${variant.wait}`.includes(values.only)) continue
    const path = await makeDevice(directory, variant.device, pairs.length)
    if (path !== undefined) pairs.push(await startPair(variant, path))
  }
  for (const pair of pairs) pair.busy = await handOver(pair, BUSY)
  // These hardly disturb each other.
  const sparse = await Promise.all(pairs.map((pair) => handOver(pair, SPARSE)))
  // By itself: one that polls often costs the others a third more.
  const idle = []
  for (const { consumer } of pairs) idle.push(await ask(consumer, { idleMs: IDLE_MS }))
  return pairs.map(({ device, wait, write, busy }, index) => ({
    device,
    wait,
    write: spread(write),
    busy: spread(busy),
    sparse: spread(sparse[index]),
    idle: idle[index],
  }))
}

function spread(times) {
  return { median: quantile(times, 0.5), p99: quantile(times, 0.99) }
}

async function makeDevice(directory, kind, number) {
  const file = join(directory, `ring-${number}`)
  await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
  if (kind === 'file') return file
  try {
    const args = ['--find', '--show', file]
    const loop = execFileSync('losetup', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
    loops.push(loop)
    return loop
  } catch (error) {
    console.error(`No loop device, which takes losetup and root: ${error.message.trim()}`)
    return undefined
  }
}

async function startPair(variant, path) {
  const device = await FileBlockDevice.open(path)
  const write = await timeWrites(device)
  await Producer.create(device, { eraseOther: true })
  await device.disconnect()
  const producer = await start('producer', path)
  const consumer = await start('consumer', path, JSON.stringify(variant.options))
  return { ...variant, write, producer, consumer }
}

/** Durable writes of 4 KiB at the same intervals as the pushes: a device at rest takes longer. */
async function timeWrites(device) {
  const buffer = device.allocate(4096)
  const times = []
  for (let written = 0; written < 100; written++) {
    await sleep(BUSY.fromMs + Math.random() * (BUSY.toMs - BUSY.fromMs))
    const started = performance.now()
    await device.write(8, [buffer], { durable: true })
    times.push(performance.now() - started)
  }
  return times
}

async function handOver({ producer, consumer }, { count, fromMs, toMs }) {
  const received = ask(consumer, { count })
  producer.send({ count, fromMs, toMs })
  return received
}

async function start(program, ...args) {
  const script = fileURLToPath(new URL(`wake/${program}.mjs`, import.meta.url))
  const child = fork(script, args)
  children.push(child)
  await answer(child)
  return child
}

function ask(child, question) {
  const answered = answer(child)
  child.send(question)
  return answered
}

async function answer(child) {
  const ended = new AbortController()
  const fail = () => ended.abort(new Error(`process ${child.pid} ended`))
  child.once('exit', fail)
  try {
    const [message] = await once(child, 'message', { signal: ended.signal })
    return message
  } finally {
    child.off('exit', fail)
  }
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exit = once(child, 'exit')
  child.disconnect()
  await exit
}
