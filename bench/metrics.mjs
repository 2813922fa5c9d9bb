// npm run bench:metrics: what instruments cost a program that pushes with 1024 in flight, takes and acknowledges, or has handlers that do
// nothing called (`process`, eight at a time). In pairs of processes, one without and one with them, in turns, so that both meet the same
// machine; each measures several times once its code is compiled, and the best counts: what else the machine does only adds to it. Ratios are
// medians of the pairs, with the quartiles, and that of the best processes. Not in
// one process: to subscribe and unsubscribe has V8 throw away what it had compiled, which costs more than all that is counted. Items a
// second, and microseconds of the processor an item, in memory, where nothing hides the cost, and on a file; and what the instruments' own
// code takes of that, measured alone.
import { execFileSync } from 'node:child_process'
import dc from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Instruments } from '../dist/metrics/index.js'
import { FileBlockDevice, MemoryBlockDevice, RingReader, RingWriter } from './lib/ring.mjs'

const USAGE = `npm run bench:metrics [-- OPTIONS]
  --rounds N       pairs of processes (default 9)
  --items N        items of a measurement (default 60000)
  --bytes N        bytes of an item (default 256)
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const IN_FLIGHT = 1024
const CONCURRENCY = 8
const MIB = 1 << 20
/** Handlers that do nothing are acknowledged, and told, and timed as many at a time. */
const BURST = 64
const TOGETHER = 32
/** Of a process: those that do not count, and those that do. */
const WARM_UP = 4
const MEASURED = 7

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '9' },
    items: { type: 'string', default: '60000' },
    bytes: { type: 'string', default: '256' },
    dir: { type: 'string', default: tmpdir() },
    // Of a process that measures: whether instruments are on, and the device.
    how: { type: 'string' },
    on: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else if (values.on === 'alone') console.log(JSON.stringify(await settling()))
else if (values.how !== undefined) console.log(JSON.stringify(await measureOften()))
else {
  for (const device of ['memory', 'file']) compare(device, Number(values.rounds))
  console.log(`of that, the instruments' own code, for ${IN_FLIGHT} items: ${listening()}`)
  const [off, on] = ['off', 'on'].map((how) => child({ how, on: 'alone' }).toFixed(1))
  console.log(`what was handled, settled and timed alone: ${off} ns an item off, ${on} on`)
}

function child(flags) {
  const args = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value])
  const program = fileURLToPath(import.meta.url)
  return JSON.parse(execFileSync(process.execPath, [program, ...args], { encoding: 'utf8' }))
}

function compare(device, rounds) {
  const pairs = []
  for (let round = 0; round < rounds; round++) {
    const pair = {}
    for (const how of round % 2 === 0 ? ['off', 'on'] : ['on', 'off']) {
      const { items, bytes, dir } = values
      pair[how] = child({ how, on: device, items, bytes, dir })
    }
    pairs.push(pair)
  }
  for (const what of ['push', 'take', 'handle']) {
    const of = (how, kind) => median(pairs.map((pair) => pair[how][what][kind]))
    const ratios = (kind) => {
      const all = pairs.map(({ on, off }) => on[what][kind] / off[what][kind])
      return `${median(all).toFixed(3)} (${quartiles(all)})`
    }
    const least = (how) => Math.min(...pairs.map((pair) => pair[how][what].cpu))
    console.log(
      `${device}, ${what}: ${Math.round(of('off', 'rate'))} items/s off, ` +
        `${Math.round(of('on', 'rate'))} on, on/off ${ratios('rate')}; CPU ` +
        `${of('off', 'cpu').toFixed(3)} us off, ${of('on', 'cpu').toFixed(3)} on, on/off ` +
        `${ratios('cpu')}, ${rounds} pairs; of the best processes ` +
        `${least('off').toFixed(3)} and ${least('on').toFixed(3)}, ` +
        `${(least('on') / least('off')).toFixed(3)}`,
    )
  }
}

/** The best of a process. */
async function measureOften() {
  const { how, on, items, bytes, dir } = values
  const instruments = how === 'on' ? new Instruments() : undefined
  const folder = await mkdtemp(join(dir, 'sbr-bench-'))
  const sizeBytes = 64 * MIB
  const device =
    on === 'file'
      ? await FileBlockDevice.create(join(folder, 'ring'), { sizeBytes })
      : new MemoryBlockDevice({ sizeSectors: sizeBytes / 512 })
  try {
    const all = []
    for (let round = 0; round < WARM_UP + MEASURED; round++) {
      all.push(await measure(device, Number(items), Number(bytes)))
    }
    const counted = all.slice(WARM_UP)
    const of = (what) => ({
      rate: Math.max(...counted.map((one) => one[what].rate)),
      cpu: Math.min(...counted.map((one) => one[what].cpu)),
    })
    return { push: of('push'), take: of('take'), handle: of('handle') }
  } finally {
    instruments?.[Symbol.dispose]()
    await device.disconnect()
    await rm(folder, { recursive: true })
  }
}

/** What `process` does with an item that was handled, but for the acknowledgement: nanoseconds, at best. The package does not export it. */
async function settling() {
  const { Settlements } = await import('../.build/ring/queue/process/settlements.js')
  const { HandlerTimes } = await import('../.build/ring/queue/process/handler-times.js')
  const { systemClock } = await import('../.build/clock.js')
  const { Instruments: Counting } = await import('../.build/metrics/index.js')
  const isOn = values.how === 'on'
  const instruments = isOn ? new Counting() : undefined
  const consumer = { device: { name: 'd' }, queue: 'q', client: 'c' }
  const settlements = new Settlements(
    { consumer, ackAll: async () => undefined },
    { attemptStore: undefined, keyOf: String, onFailed: () => undefined },
  )
  const times = new HandlerTimes(systemClock, (ms) => settlements.timed(ms))
  const entries = Array.from({ length: BURST }, (_, index) => ({
    ...{ position: BigInt(index), storedBytes: 256, pushedAt: 1, item: index },
  }))
  const bursts = 2000
  const taken = []
  for (let round = 0; round < 40; round++) {
    const before = now()
    for (let count = 0; count < bursts; count++) {
      for (const entry of entries) {
        const startedAt = isOn ? times.begin() : undefined
        settlements.handled(entry, 1, isOn ? times.end(startedAt) : 0)
      }
      times.rest()
      await settlements.written
    }
    taken.push(((now().cpu - before.cpu) * 1000) / (bursts * BURST))
  }
  instruments?.[Symbol.dispose]()
  return Math.min(...taken)
}

/** What it takes to hear of a commit, a receipt, an acknowledgement, and the handlers of as many items, at best. */
function listening() {
  const instruments = new Instruments()
  const names = { device: 'd', queue: 'q', client: 'c' }
  const entries = Array.from({ length: IN_FLIGHT }, (_, index) => ({
    ...{ position: BigInt(index), storedBytes: 256, pushedAt: 1_700_000_000_000 },
  }))
  const pushes = [{ count: IN_FLIGHT, waitedMs: 0.5 }]
  const commit = { event: 'committed', items: IN_FLIGHT, bytes: 1, position: 1n, durationMs: 0.3 }
  const acknowledge = { event: 'acknowledged', count: IN_FLIGHT, position: 1n, durationMs: 0.3 }
  const attempts = Array.from({ length: BURST / TOGETHER }, () => {
    return { count: TOGETHER, attempt: 1, durationMs: 0.0005 }
  })
  const events = {
    commit: ['writer', { ...names, ...commit, pushes, queuedBytes: 0 }],
    receipt: [
      'reader',
      { ...names, event: 'received', entries, redelivered: 0, at: 1, unackedEntries: 0 },
    ],
    acknowledgement: ['reader', { ...names, ...acknowledge, unackedEntries: 0 }],
    handled: [
      'work',
      { ...names, event: 'handled', entries: entries.slice(0, BURST), succeeded: attempts },
    ],
  }
  const messages = { handled: IN_FLIGHT / BURST }
  const took = Object.entries(events).map(([name, [channel, event]]) => {
    return `${name} ${(best(channel, event) * (messages[name] ?? 1)).toFixed(2)} us`
  })
  instruments[Symbol.dispose]()
  return took.join(', ')
}

function best(name, event) {
  const channel = dc.channel(`shared-block-ring:${name}`)
  const times = Array.from({ length: 30 }, () => {
    const before = now()
    for (let count = 0; count < 2000; count++) channel.publish(event)
    return (now().cpu - before.cpu) / 2000
  })
  return Math.min(...times)
}

/** Items a second that are pushed, that are taken and acknowledged, and that are handled. */
async function measure(device, items, itemBytes) {
  const writer = await RingWriter.open(device, { createIfMissing: true })
  const reader = await RingReader.open(device, { lazyAck: true })
  const item = new Uint8Array(itemBytes)
  const pushed = now()
  let begun = 0
  const lane = async () => {
    while (begun < items) {
      begun++
      await writer.push(item)
    }
  }
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
  const taken = now()
  for (let left = items; left > 0; ) {
    const entries = await reader.receiveMany({ maxItems: IN_FLIGHT })
    left -= entries.length
    await reader.ackAll(entries)
  }
  await reader.flush()
  const ended = now()
  for (let left = items; left > 0; left -= IN_FLIGHT) {
    await writer.pushMany(Array.from({ length: Math.min(IN_FLIGHT, left) }, () => item))
  }
  const filled = now()
  await reader.process(() => undefined, { concurrency: CONCURRENCY, untilEmpty: true })
  const handled = now()
  await reader.close()
  await writer.close()
  const between = (from, to) => ({
    rate: (items * 1000) / (to.ms - from.ms),
    cpu: (to.cpu - from.cpu) / items,
  })
  return {
    push: between(pushed, taken),
    take: between(taken, ended),
    handle: between(filled, handled),
  }
}

function now() {
  const { user, system } = process.cpuUsage()
  return { ms: performance.now(), cpu: user + system }
}

/** Between which half of them lie. */
function quartiles(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  const at = (part) => sorted[Math.round((sorted.length - 1) * part)].toFixed(2)
  return `${at(0.25)} to ${at(0.75)}`
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
