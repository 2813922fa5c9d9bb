// npm run bench:metrics: what instruments cost a program that pushes with 1024 in flight, takes and acknowledges. Measured in pairs,
// without and with them in turns, so that both meet the same machine: items a second, and microseconds of this process's processors an
// item, which tell the cost also where the rest of the machine is busy. In memory, where nothing hides the cost, and on a file.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Instruments } from '../dist/metrics/index.js'
import { FileBlockDevice, MemoryBlockDevice, RingReader, RingWriter } from './lib/ring.mjs'

const USAGE = `npm run bench:metrics [-- OPTIONS]
  --rounds N       pairs of measurements (default 15, after one that does not count)
  --items N        items of a measurement (default 60000)
  --bytes N        bytes of an item (default 256)
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

const IN_FLIGHT = 1024
const MIB = 1 << 20

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '15' },
    items: { type: 'string', default: '60000' },
    bytes: { type: 'string', default: '256' },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else await compare(Number(values.rounds), Number(values.items), Number(values.bytes))

async function compare(rounds, items, itemBytes) {
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  const sizeBytes = 64 * MIB
  try {
    const file = await FileBlockDevice.create(join(folder, 'ring'), { sizeBytes })
    const memory = new MemoryBlockDevice({ sizeSectors: sizeBytes / 512 })
    for (const [name, device] of Object.entries({ memory, file })) {
      const pairs = []
      for (let round = 0; round <= rounds; round++) {
        const pair = {}
        for (const how of round % 2 === 0 ? ['off', 'on'] : ['on', 'off']) {
          pair[how] = await measure(device, items, itemBytes, how === 'on')
        }
        if (round > 0) pairs.push(pair)
      }
      for (const what of ['push', 'take']) {
        const of = (how, kind) => median(pairs.map((pair) => pair[how][what][kind]))
        const ratio = (kind) => median(pairs.map(({ on, off }) => on[what][kind] / off[what][kind]))
        console.log(
          `${name}, ${what}, ${IN_FLIGHT} in flight: ${Math.round(of('off', 'rate'))} items/s off, ` +
            `${Math.round(of('on', 'rate'))} on, on/off ${ratio('rate').toFixed(3)}; CPU ` +
            `${of('off', 'cpu').toFixed(2)} us off, ${of('on', 'cpu').toFixed(2)} on, on/off ` +
            `${ratio('cpu').toFixed(3)} (medians of ${rounds} pairs)`,
        )
      }
    }
    await file.disconnect()
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Items a second that are pushed, and that are taken and acknowledged. */
async function measure(device, items, itemBytes, isOn) {
  const instruments = isOn ? new Instruments() : undefined
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
  await reader.close()
  await writer.close()
  instruments?.[Symbol.dispose]()
  const between = (from, to) => ({
    rate: (items * 1000) / (to.ms - from.ms),
    cpu: (to.cpu - from.cpu) / items,
  })
  return { push: between(pushed, taken), take: between(taken, ended) }
}

function now() {
  const { user, system } = process.cpuUsage()
  return { ms: performance.now(), cpu: user + system }
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
