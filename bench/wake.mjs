// How long an item takes from a push in one process to its receipt in another, durable writes included, and
// what a consumer costs that waits: for a file whose changes the system tells, and by polling alone.
import { execFileSync, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { FileBlockDevice, Producer } from './lib/ring.mjs'

const RING_BYTES = 1 << 20
const IDLE_MS = 5000
const BUSY = { count: 400, fromMs: 2, toMs: 5 }
/** Long enough for the pauses to grow in between. */
const SPARSE = { count: 16, fromMs: 400, toMs: 700 }

const variants = [
  { device: 'file', wait: 'hints (default)', options: { hints: true } },
  { device: 'file', wait: 'polls (default)', options: {} },
  { device: 'file', wait: 'polls, 10 ms at most', options: { maxPollMs: 10 } },
  { device: 'loop', wait: 'polls (default)', options: {} },
  { device: 'loop', wait: 'polls, 10 ms at most', options: { maxPollMs: 10 } },
  { device: 'loop', wait: 'polls, 250 ms at most', options: { maxPollMs: 250 } },
]

const directory = await mkdtemp(join(tmpdir(), 'sbr-bench-'))
const loops = []
const children = []

try {
  const pairs = []
  for (const variant of variants) {
    const path = await makeDevice(variant.device, pairs.length)
    if (path !== undefined) pairs.push(await startPair(variant, path))
  }
  for (const pair of pairs) pair.busy = await handOver(pair, BUSY)
  // These hardly disturb each other.
  const sparse = await Promise.all(pairs.map((pair) => handOver(pair, SPARSE)))
  const idle = await Promise.all(pairs.map((pair) => ask(pair.consumer, { idleMs: IDLE_MS })))
  report(pairs.map((pair, index) => ({ ...pair, sparse: sparse[index], idle: idle[index] })))
} finally {
  await Promise.all(children.map(stop))
  for (const loop of loops) execFileSync('losetup', ['--detach', loop])
  await rm(directory, { recursive: true, force: true })
}

async function makeDevice(kind, number) {
  const file = join(directory, `ring-${number}`)
  await (await FileBlockDevice.create(file, { sizeBytes: RING_BYTES })).disconnect()
  if (kind === 'file') return file
  try {
    const args = ['--find', '--show', file]
    const loop = execFileSync('losetup', args, { encoding: 'utf8', stdio: 'pipe' }).trim()
    loops.push(loop)
    return loop
  } catch (error) {
    console.log(`No loop device, which takes losetup and root: ${error.message.trim()}`)
    return undefined
  }
}

async function startPair(variant, path) {
  const device = await FileBlockDevice.open(path)
  const write = await timeWrites(device)
  await Producer.create(device, { overwrite: true })
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

function report(rows) {
  console.log(
    'Milliseconds: median / 99 %. Busy: a push every 2 to 5 ms. Sparse: every 400 to 700 ms.\n',
  )
  console.log('| device | waiting | durable write | push to receipt, busy | sparse | idle |')
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const { device, wait, write, busy, sparse, idle } of rows) {
    const share = `${(100 * idle).toFixed(2)} % of a core`
    console.log(
      `| ${device} | ${wait} | ${spread(write)} | ${spread(busy)} | ${spread(sparse)} | ${share} |`,
    )
  }
}

function spread(times) {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return `${at(0.5).toFixed(2)} / ${at(0.99).toFixed(2)}`
}
