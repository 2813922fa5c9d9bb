// npm run bench:work: what `process` costs over a bare loop that receives and acknowledges, with handlers that do nothing: on a file
// and in memory, the two in turns, so that both meet the same machine. With --soak N: the memory of a process that handles N items
// while they are pushed.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { FileBlockDevice, MemoryBlockDevice, RingReader, RingWriter } from './lib/ring.mjs'

const USAGE = `npm run bench:work [-- OPTIONS]
  --rounds N       pairs of measurements (default 7, after one that does not count)
  --items N        items of a measurement (default 30000)
  --bytes N        bytes of an item (default 1024)
  --soak N         handle N items of 16 bytes through a small ring instead, and print the memory
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const CONCURRENCY = 8
const SOAK_BYTES = 16
const SOAK_BATCH = 5000
const SOAK_RING_BYTES = 8 << 20
const REPORTS = 20
const MIB = 1 << 20

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    items: { type: 'string', default: '30000' },
    bytes: { type: 'string', default: '1024' },
    soak: { type: 'string' },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else if (values.soak !== undefined) await soak(Number(values.soak))
else await compare(Number(values.rounds), Number(values.items), Number(values.bytes))

async function compare(rounds, items, itemBytes) {
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  const sizeBytes = 4 * MIB + items * (itemBytes + 64)
  try {
    const file = await FileBlockDevice.create(join(folder, 'ring'), { sizeBytes })
    const memory = new MemoryBlockDevice({ sizeSectors: Math.ceil(sizeBytes / 512) })
    for (const [name, device] of Object.entries({ file, memory })) {
      const ratios = []
      const times = { loop: [], process: [] }
      for (let round = 0; round <= rounds; round++) {
        const took = {}
        const order = round % 2 === 0 ? ['loop', 'process'] : ['process', 'loop']
        for (const how of order) {
          await fill(device, items, itemBytes)
          took[how] = await measure(device, items, how)
        }
        if (round === 0) continue
        ratios.push(took.loop / took.process)
        for (const how of order) times[how].push(took[how])
      }
      const rate = (how) => `${how} ${Math.round(items / median(times[how]))}/ms`
      const spread = [Math.min(...ratios), Math.max(...ratios)].map((one) => one.toFixed(2))
      console.log(
        `${name}, ${itemBytes} B: ${rate('loop')}, ${rate('process')}; ` +
          `process/loop ${median(ratios).toFixed(2)} (${spread.join(' to ')}, ${rounds} pairs)`,
      )
    }
    await file.disconnect()
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function fill(device, items, itemBytes) {
  const writer = await RingWriter.open(device, { createIfMissing: true })
  const item = new Uint8Array(itemBytes)
  for (let left = items; left > 0; left -= 1000) {
    await writer.pushMany(Array.from({ length: Math.min(1000, left) }, () => item))
  }
  await writer.close()
}

/** Milliseconds until all is handled and acknowledged. */
async function measure(device, items, how) {
  const reader = await RingReader.open(device, { lazyAck: true })
  const started = performance.now()
  if (how === 'process') {
    const { handled } = await reader.process(() => undefined, {
      concurrency: CONCURRENCY,
      untilEmpty: true,
    })
    if (handled !== items) throw new Error(`${handled} of ${items} items were handled`)
  } else {
    for (let left = items; left > 0; ) {
      const entries = await reader.receiveMany({ maxItems: 1024 })
      left -= entries.length
      await reader.ackThrough(entries.at(-1))
    }
    await reader.flush()
  }
  const took = performance.now() - started
  await reader.close()
  return took
}

async function soak(items) {
  const device = new MemoryBlockDevice({ sizeSectors: SOAK_RING_BYTES / 512 })
  const writer = await RingWriter.open(device, { createIfMissing: true })
  const reader = await RingReader.open(device, { lazyAck: true })
  const stop = new AbortController()
  const every = Math.ceil(items / REPORTS)
  let handled = 0
  const started = performance.now()
  const running = reader.process(
    () => {
      handled++
      if (handled % every === 0 || handled === items) report(handled, started)
      if (handled === items) stop.abort()
    },
    { concurrency: CONCURRENCY, signal: stop.signal },
  )
  const item = new Uint8Array(SOAK_BYTES)
  for (let left = items; left > 0; left -= SOAK_BATCH) {
    await writer.pushMany(Array.from({ length: Math.min(SOAK_BATCH, left) }, () => item))
  }
  await running
  await reader.close()
  await writer.close()
}

function report(handled, started) {
  const { rss, heapUsed } = process.memoryUsage()
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  const mib = (bytes) => `${Math.round(bytes / MIB)} MiB`
  console.log(`${handled} items, ${seconds} s: RSS ${mib(rss)}, heap ${mib(heapUsed)}`)
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
