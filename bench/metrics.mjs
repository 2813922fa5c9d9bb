// npm run bench:metrics: what instruments cost a program that pushes with 1024 in flight, takes and acknowledges, or has handlers called that do
// nothing (`process`, eight at a time). In pairs of processes, one without and one with them: both live, their code compiled, and take turns of
// some 50 ms, off on on off, so that both meet the same machine. A ratio is of two neighbouring turns; of a pair counts the median, and of the
// pairs the median and all between the second lowest and the second highest, because V8 compiles differently in each process. Not in one process:
// to subscribe and unsubscribe has V8 throw away what it had compiled, which costs more than all that is counted.
// In memory, where nothing hides the cost, and on a file.
import { fork } from 'node:child_process'
import { on } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Instruments } from '../dist/metrics/index.js'
import { FileBlockDevice, MemoryBlockDevice, RingReader, RingWriter } from './lib/ring.mjs'

const USAGE = `npm run bench:metrics [-- OPTIONS]
  --pairs N        pairs of processes (default 7)
  --turns N        turns of each process and kind of work (default 40)
  --items N        items of a turn (default 40000)
  --bytes N        bytes of an item (default 256)
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const IN_FLIGHT = 1024
const CONCURRENCY = 8
const MIB = 1 << 20
/** Turns that do not count. */
const WARM_UP = 15
/** In this order, because each leaves what the next one needs. */
const KINDS = ['push', 'take', 'handle']

const { values } = parseArgs({
  options: {
    pairs: { type: 'string', default: '7' },
    turns: { type: 'string', default: '40' },
    items: { type: 'string', default: '40000' },
    bytes: { type: 'string', default: '256' },
    dir: { type: 'string', default: tmpdir() },
    // Of a process that measures: whether instruments are on, and the device.
    how: { type: 'string' },
    device: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else if (values.how !== undefined) await work()
else for (const device of ['memory', 'file']) await compare(device)

async function compare(device) {
  const pairs = []
  for (let pair = 0; pair < Number(values.pairs); pair++) pairs.push(await measurePair(device))
  for (const kind of KINDS) {
    const ratio = (what) => {
      const medians = pairs
        .map((turns) => median(turns.map(({ [kind]: { on, off } }) => on[what] / off[what])))
        .toSorted((a, b) => a - b)
      const [low, high] = [medians[1] ?? medians[0], medians.at(-2) ?? medians[0]]
      return `${median(medians).toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
    }
    const off = (what) =>
      median(pairs.flatMap((turns) => turns.map((turn) => turn[kind].off[what]))).toFixed(3)
    console.log(
      `${device}, ${kind}: processor time on/off ${ratio('cpu')}, of ${off('cpu')} us an item; time ${ratio('ms')}`,
    )
  }
}

/** What a pair took in each turn that counts. */
async function measurePair(device) {
  const pair = await Promise.all(['off', 'on'].map((how) => start(how, device)))
  const turns = []
  let isReversed = false
  for (let turn = -WARM_UP; turn < Number(values.turns); turn++) {
    const took = {}
    for (const kind of KINDS) {
      took[kind] = {}
      for (const { how, ask } of isReversed ? pair.toReversed() : pair)
        took[kind][how] = await ask(kind)
      isReversed = !isReversed
    }
    if (turn >= 0) turns.push(took)
  }
  for (const { ask } of pair) await ask('end')
  return turns
}

async function start(how, device) {
  const { items, bytes, dir } = values
  const flags = Object.entries({ how, device, items, bytes, dir })
  const child = fork(
    fileURLToPath(import.meta.url),
    flags.flatMap(([name, value]) => [`--${name}`, value]),
  )
  const answers = on(child, 'message', { close: ['exit'] })
  const ask = async (kind) => {
    child.send(kind)
    const { done, value } = await answers.next()
    if (done) throw new Error(`a process with instruments ${how} has ended`)
    return value[0]
  }
  return { how, ask }
}

/** A process of a pair: does what it is told to, and says how long that took. */
async function work() {
  const { how, device: kind, items, bytes, dir } = values
  const instruments = how === 'on' ? new Instruments() : undefined
  const folder = await mkdtemp(join(dir, 'sbr-bench-'))
  const sizeBytes = 64 * MIB
  const device =
    kind === 'file'
      ? await FileBlockDevice.create(join(folder, 'ring'), { sizeBytes })
      : new MemoryBlockDevice({ sizeSectors: sizeBytes / 512 })
  const writer = await RingWriter.open(device, { createIfMissing: true })
  const reader = await RingReader.open(device, { lazyAck: true })
  const turns = turnsOf(writer, reader, Number(items), new Uint8Array(Number(bytes)))
  for await (const [turn] of on(process, 'message')) {
    if (turn === 'end') break
    process.send(await turns[turn]())
  }
  await reader.close()
  await writer.close()
  await device.disconnect()
  instruments?.[Symbol.dispose]()
  await rm(folder, { recursive: true })
  process.send('ended')
  process.disconnect()
}

function turnsOf(writer, reader, items, item) {
  return {
    push: () =>
      timed(items, async () => {
        let begun = 0
        const lane = async () => {
          while (begun < items) {
            begun++
            await writer.push(item)
          }
        }
        await Promise.all(Array.from({ length: IN_FLIGHT }, lane))
      }),
    take: () =>
      timed(items, async () => {
        for (let left = items; left > 0; ) {
          const entries = await reader.receiveMany({ maxItems: IN_FLIGHT })
          left -= entries.length
          await reader.ackAll(entries)
        }
        await reader.flush()
      }),
    handle: async () => {
      for (let left = items; left > 0; left -= IN_FLIGHT)
        await writer.pushMany(Array.from({ length: Math.min(IN_FLIGHT, left) }, () => item))
      return timed(items, () =>
        reader.process(() => undefined, { concurrency: CONCURRENCY, untilEmpty: true }),
      )
    },
  }
}

/** An item's share of the time, and of all processors' time, in microseconds. */
async function timed(items, work) {
  const [cpu, ms] = [process.cpuUsage(), performance.now()]
  await work()
  const took = performance.now() - ms
  const { user, system } = process.cpuUsage(cpu)
  return { cpu: (user + system) / items, ms: (took * 1000) / items }
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
