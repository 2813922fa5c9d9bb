// npm run bench:metrics: what instruments cost a program that pushes with 1024 in flight, takes and acknowledges, or has handlers called that do
// nothing (`process`, eight at a time): in throughput, which is the time that passes, and in processor time. In trios of processes, one with
// instruments and two without: all live, their code compiled, and take turns of some 50 ms, in an order that changes each time, so that all meet
// the same machine. A ratio is of neighbouring turns; of a trio counts the median, and of the trios the median and all between the second lowest
// and the second highest, because V8 compiles differently in each process. The ratio of the two without instruments says what the method finds
// where there is nothing. Not in one process: to subscribe and unsubscribe has V8 throw away what it had compiled, which costs more than all
// that is counted. In memory, where nothing hides the cost, and on a file, whose writes are durable.
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
  --trios N        trios of processes (default 7)
  --turns N        turns of each process and kind of work (default 30)
  --items N        items of a turn (default 40000)
  --on DEVICES     memory, file or both (default memory,file)
  --bytes N        bytes of an item (default 256)
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const IN_FLIGHT = 1024
const CONCURRENCY = 8
const MIB = 1 << 20
/** Turns that do not count. */
const WARM_UP = 15
/** In this order, because each leaves what the next one needs. */
const KINDS = ['push', 'take', 'handle']
/** The processes of a trio. */
const HOWS = ['off', 'on', 'control']

const { values } = parseArgs({
  options: {
    trios: { type: 'string', default: '7' },
    turns: { type: 'string', default: '30' },
    items: { type: 'string', default: '40000' },
    bytes: { type: 'string', default: '256' },
    on: { type: 'string', default: 'memory,file' },
    dir: { type: 'string', default: tmpdir() },
    // Of a process that measures: whether instruments are on, and the device.
    how: { type: 'string' },
    device: { type: 'string' },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else if (values.how !== undefined) await work()
else await compareAll()

async function compareAll() {
  console.log(
    '| | throughput with instruments | processor time with them | of | where there are none | |',
  )
  console.log('| --- | --- | --- | --- | --- | --- |')
  for (const device of values.on.split(',')) await compare(device)
}

async function compare(device) {
  const trios = []
  for (let trio = 0; trio < Number(values.trios); trio++)
    trios.push(await measureTrio(device, trio))
  for (const kind of KINDS) {
    const ratio = (how, of) => {
      const medians = trios
        .map((turns) => median(turns.map(({ [kind]: took }) => of(took[how], took.off))))
        .toSorted((a, b) => a - b)
      const [low, high] = [medians[1] ?? medians[0], medians.at(-2) ?? medians[0]]
      return `${median(medians).toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`
    }
    const speed = (one, other) => other.ms / one.ms
    const cpu = (one, other) => one.cpu / other.cpu
    const each = median(trios.flatMap((turns) => turns.map(({ [kind]: { off } }) => off.cpu)))
    const cells = [
      `${device}, ${kind}`,
      ...[ratio('on', speed), ratio('on', cpu), `${each.toFixed(2)} us an item`],
      ...[ratio('control', speed), ratio('control', cpu)],
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

/** What the processes of a trio took in each turn that counts. */
async function measureTrio(device, trio) {
  const processes = []
  for (const how of rotated(HOWS, trio)) processes.push(await start(how, device))
  const turns = []
  let order = 0
  for (let turn = -WARM_UP; turn < Number(values.turns); turn++) {
    const took = {}
    for (const kind of KINDS) {
      took[kind] = {}
      for (const { how, ask } of rotated(processes, order++)) took[kind][how] = await ask(kind)
    }
    if (turn >= 0) turns.push(took)
  }
  for (const { ask } of processes) await ask('end')
  return turns
}

/** In another order each time: also in the other direction. */
function rotated(all, times) {
  const from = times % all.length
  const turned = [...all.slice(from), ...all.slice(0, from)]
  return Math.floor(times / all.length) % 2 === 0 ? turned : turned.toReversed()
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

/** A process of a trio: does what it is told to, and says how long that took. */
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
