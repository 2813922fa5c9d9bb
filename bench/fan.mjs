// npm run bench:fan: what many rings as one cost over one plain ring. Items a second that a fan-in of 1, 16 and 64 rings receives and
// acknowledges, against one ring's `receiveMany`; and that a tee into 1, 2 and 4 rings and a partition into 8 push, against one ring's
// `pushMany`. In memory and on files, in pairs: each measurement beside one of the plain ring, the two in turns, so that both meet the
// same machine. Stops by itself.
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machineOf, machineText } from './lib/machine.mjs'
import {
  FileBlockDevice,
  MemoryBlockDevice,
  partitioned,
  RingReader,
  RingWriter,
  receiveFrom,
  tee,
} from './lib/ring.mjs'
import { compact, markdown } from './lib/table.mjs'

const USAGE = `npm run bench:fan [-- OPTIONS]
  --rounds N       pairs of measurements (default 7, after one that does not count)
  --items N        items of a measurement (default 32768)
  --bytes N        bytes of an item (default 256)
  --on DEVICE      memory or file; can be given twice (default: both)
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)`

/** Items of a push, and of a plain ring's receipt. */
const BATCH = 1024
const MIB = 1 << 20
/** Keys that items are partitioned by. */
const KEYS = 1024

/** What is compared: how many rings it takes, and the most of the items that one of them has; keys are not spread evenly. */
const CASES = [
  ...[1, 16, 64].map((rings) => {
    return { name: `fan-in of ${rings}`, rings, share: 1 / rings, act: fanIn }
  }),
  ...[1, 2, 4].map((rings) => ({ name: `tee to ${rings}`, rings, share: 1, act: pushTee })),
  { name: 'partitioned to 8', rings: 8, share: 1 / 4, act: pushPartitioned },
]

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    items: { type: 'string', default: '32768' },
    bytes: { type: 'string', default: '256' },
    on: { type: 'string', multiple: true, default: ['memory', 'file'] },
    dir: { type: 'string', default: tmpdir() },
    help: { type: 'boolean', short: 'h', default: false },
  },
})
const rounds = Number(values.rounds)
const items = Number(values.items)
const itemBytes = Number(values.bytes)

if (values.help) console.log(USAGE)
else await main()

async function main() {
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  try {
    const rows = [['', 'device', 'items/s', 'one plain ring', 'ratio', 'from', 'to']]
    for (const on of values.on) {
      for (const each of CASES) rows.push(await compare(each, on, folder))
    }
    console.log(markdown(rows))
    console.log(
      `\n${items} items of ${itemBytes} B, medians of ${rounds} pairs. ${machineText(machineOf(folder))}`,
    )
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** A row of the table. */
async function compare({ name, rings, share, act }, on, folder) {
  const devices = []
  const plainAct = act === fanIn ? receivePlain : pushPlain
  const rates = { plain: [], fan: [] }
  const ratios = []
  try {
    devices.push(await deviceOf(on, join(folder, 'plain'), items))
    for (let index = 0; index < rings; index++) {
      devices.push(await deviceOf(on, join(folder, `ring-${index}`), items * share))
    }
    const [plain, ...fan] = devices
    for (let round = 0; round <= rounds; round++) {
      const took = {}
      for (const how of round % 2 === 0 ? ['plain', 'fan'] : ['fan', 'plain']) {
        took[how] = await (how === 'plain' ? plainAct([plain]) : act(fan))
      }
      if (round === 0) continue
      ratios.push(took.plain / took.fan)
      for (const how of ['plain', 'fan']) rates[how].push((items * 1000) / took[how])
    }
  } finally {
    for (const device of devices) await device.disconnect()
  }
  const figures = [median(ratios), Math.min(...ratios), Math.max(...ratios)]
  const texts = figures.map((ratio) => ratio.toFixed(2))
  return [name, on, compact(median(rates.fan)), compact(median(rates.plain)), ...texts]
}

/** A new device with room for some items. */
async function deviceOf(on, path, most) {
  const sizeBytes = MIB * Math.ceil(2 + (most * (itemBytes + 64)) / MIB)
  if (on === 'memory') return new MemoryBlockDevice({ sizeSectors: sizeBytes / 512 })
  await rm(path, { force: true })
  return FileBlockDevice.create(path, { sizeBytes })
}

async function receivePlain([device]) {
  await fill([device])
  const reader = await RingReader.open(device, { lazyAck: true })
  const took = await timed(async () => {
    for (let left = items; left > 0; ) {
      const entries = await reader.receiveMany({ maxItems: BATCH })
      left -= entries.length
      await reader.ackThrough(entries.at(-1))
    }
    await reader.flush()
  })
  await reader.close()
  return took
}

async function fanIn(devices) {
  await fill(devices)
  const readers = await Promise.all(
    devices.map((device) => RingReader.open(device, { lazyAck: true })),
  )
  const rings = receiveFrom(readers)
  const took = await timed(async () => {
    for (let left = items; left > 0; left--) {
      const { entry } = await rings.receive()
      await entry.ack()
    }
    await Promise.all(readers.map((reader) => reader.flush()))
  })
  await rings.close()
  for (const reader of readers) await reader.close()
  return took
}

function pushPlain(devices) {
  return push(devices, ([writer], batch) => writer.pushMany(batch))
}

function pushTee(devices) {
  let all
  return push(devices, (writers, batch) => {
    all ??= tee(writers)
    return all.pushMany(batch)
  })
}

function pushPartitioned(devices) {
  let all
  return push(devices, (writers, batch) => {
    all ??= partitioned(writers, (item) => item[0] | (item[1] << 8))
    return all.pushMany(batch)
  })
}

/** Milliseconds that it takes to push all items, a batch at a time; the rings are empty before and after. */
async function push(devices, pushBatch) {
  const writers = await Promise.all(
    devices.map((device) => RingWriter.open(device, { createIfMissing: true })),
  )
  const batches = batchesOf(items)
  const took = await timed(async () => {
    for (const batch of batches) await pushBatch(writers, batch)
  })
  for (const writer of writers) await writer.close()
  for (const device of devices) await empty(device)
  return took
}

/** Each ring has its share of the items, as equal as can be. */
async function fill(devices) {
  for (const [index, device] of devices.entries()) {
    const writer = await RingWriter.open(device, { createIfMissing: true })
    const share = Math.floor((items + index) / devices.length)
    for (const batch of batchesOf(share)) await writer.pushMany(batch)
    await writer.close()
  }
}

async function empty(device) {
  const reader = await RingReader.open(device, { lazyAck: true })
  for (;;) {
    const entries = await reader.tryReceiveMany({ maxItems: BATCH })
    if (entries.length === 0) break
    await reader.ackThrough(entries.at(-1))
  }
  await reader.close()
}

/** Items whose first bytes are their key. */
function batchesOf(count) {
  const all = Array.from({ length: count }, (_, index) => {
    const item = new Uint8Array(itemBytes)
    new DataView(item.buffer).setUint16(0, index % KEYS, true)
    return item
  })
  return Array.from({ length: Math.ceil(count / BATCH) }, (_, at) =>
    all.slice(at * BATCH, (at + 1) * BATCH),
  )
}

async function timed(act) {
  const started = performance.now()
  await act()
  return performance.now() - started
}

function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)]
}
