// What a process costs that waits at many rings at once, and how soon it has an item that is pushed into one of them.
// Stops by itself.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Producer, RingWriter } from './lib/ring.mjs'
import { LAYOUTS, makeSpace, openRings, withEach } from './thousand/rings.mjs'

const USAGE = `node bench/thousand.mjs [--rings 1000] [--pushes 50] [--layout ${Object.keys(LAYOUTS).join('|')}]... [--max-poll-ms N]`
/** No answer takes as long as this. */
const LIMIT_MS = 120_000
/** Pauses are up to this long, so that pushes do not keep step with the looks. */
const PAUSE_MS = 1000

const { values } = parseArgs({
  options: {
    rings: { type: 'string', default: '1000' },
    pushes: { type: 'string', default: '50' },
    layout: { type: 'string', multiple: true, default: Object.keys(LAYOUTS) },
    'max-poll-ms': { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})
const rings = Number(values.rings)
const pushes = Number(values.pushes)
const options = values['max-poll-ms'] ? { maxPollMs: Number(values['max-poll-ms']) } : {}

if (values.help) console.log(USAGE)
else await main()

async function main() {
  console.log(`${rings} rings; an item is pushed into one of them, ${pushes} times\n`)
  console.log(
    '| rings | attaching | idle | reads a second | memory | push to receipt, median / 99 % |',
  )
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const layout of values.layout) {
    const folder = await mkdtemp(join(tmpdir(), 'sbr-bench-'))
    try {
      const { openMs, share, readPerSecond, bytes, times } = await measure(folder, layout)
      console.log(
        `| ${LAYOUTS[layout]} | ${(openMs / 1000).toFixed(1)} s | ${(100 * share).toFixed(1)} % of a core ` +
          `| ${mib(readPerSecond)} MiB | ${mib(bytes)} MiB | ${spread(times)} ms |`,
      )
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
}

async function measure(folder, layout) {
  const end = await makeSpace(folder, layout, rings)
  try {
    return await measureIn(folder, layout)
  } finally {
    await end()
  }
}

async function measureIn(folder, layout) {
  const all = await openRings(folder, layout, rings)
  await withEach(all.devices, (device) => Producer.create(device))
  await all.close()
  const script = fileURLToPath(new URL('thousand/consumer.mjs', import.meta.url))
  const consumer = fork(script, [JSON.stringify({ folder, layout, rings, options })])
  try {
    const { openMs } = await answer(consumer)
    consumer.send('idle')
    const idle = await answer(consumer)
    const times = await push(folder, layout, consumer)
    consumer.send('end')
    await once(consumer, 'exit', { signal: AbortSignal.timeout(LIMIT_MS) })
    return { openMs, ...idle, times }
  } finally {
    consumer.kill('SIGKILL')
  }
}

/** Pushes into one ring after the other, each of which has been quiet so far. */
async function push(folder, layout, consumer) {
  const times = []
  for (let pushed = 0; pushed < pushes; pushed++) {
    const number = Math.floor((pushed * rings) / pushes)
    const { devices, close } = await openRings(folder, layout, rings, [number])
    const writer = await RingWriter.open(devices[0])
    const item = new BigUint64Array([process.hrtime.bigint()])
    const received = answer(consumer)
    await writer.push(new Uint8Array(item.buffer))
    times.push((await received).ms)
    await writer.close()
    await close()
    await sleep(Math.random() * PAUSE_MS)
  }
  return times
}

async function answer(child) {
  const ended = new AbortController()
  const fail = () => ended.abort(new Error('the consumer ended'))
  child.once('exit', fail)
  try {
    const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(LIMIT_MS)])
    const [message] = await once(child, 'message', { signal })
    if (message.error !== undefined) throw new Error(message.error)
    return message
  } catch (error) {
    throw ended.signal.aborted ? ended.signal.reason : error
  } finally {
    child.off('exit', fail)
  }
}

function mib(bytes) {
  return Math.round(bytes / 2 ** 20)
}

function spread(times) {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
  return `${at(0.5).toFixed(1)} / ${at(0.99).toFixed(1)}`
}
