// npm run bench:cost: where the time of a commit goes. The ring on a file, past the page cache; the same calls of the
// device by themselves; and the ring in memory, where no call takes long. Then whether making batches and writing them at the same
// time would pay.
import { closeSync, constants, openSync, readSync, write, writeSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import { costText } from './lib/cost-table.mjs'
import { RESULTS, writeResult } from './lib/files.mjs'
import { machineOf } from './lib/machine.mjs'
import { OVERLAPS, openOverlap } from './lib/overlap.mjs'
import { summary } from './lib/result.mjs'
import { Consumer, FileBlockDevice, MemoryBlockDevice, Producer, RingWriter } from './lib/ring.mjs'
import { makeItems } from './lib/work.mjs'

const USAGE = `npm run bench:cost [-- OPTIONS]
  --only TEXT      rows whose name contains it, such as "take" or "1 MiB"
  --rounds N       how often everything is measured (default 7, after one that does not count)
  --ms N           how long a measurement takes, in milliseconds (default 200)
  --quick          one short round
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)
  --out FOLDER     where to write cost.json (default: bench/results)`

const MIB = 1 << 20
const RING_BYTES = 80 * MIB
/** What one measurement pushes at most. */
const MAX_BYTES = 64 * MIB
const BLOCK_BYTES = 4096
const SECTOR_BYTES = 512
const ROWS = [
  { name: 'push 100 B', itemBytes: 100, items: 1 },
  { name: 'push 100 B, never blocking', itemBytes: 100, items: 1, engine: 'pool' },
  { name: 'push 1000 of 100 B', itemBytes: 100, items: 1000 },
  { name: 'push 1000 of 4 KiB', itemBytes: 4096, items: 1000 },
  { name: 'push 1 MiB', itemBytes: MIB, items: 1 },
  { name: 'take 100 B, and acknowledge', itemBytes: 100, items: 1, take: true },
  { name: 'take 100 of 100 B, and acknowledge', itemBytes: 100, items: 100, take: true },
  { name: 'take 8 of 1 MiB, and acknowledge', itemBytes: MIB, items: 8, take: true },
]

const { values } = parseArgs({
  options: {
    only: { type: 'string', default: '' },
    rounds: { type: 'string', default: '7' },
    ms: { type: 'string', default: '200' },
    quick: { type: 'boolean', default: false },
    dir: { type: 'string', default: tmpdir() },
    out: { type: 'string', default: RESULTS },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else await main()

async function main() {
  const rounds = values.quick ? 1 : Number(values.rounds)
  const ms = values.quick ? 50 : Number(values.ms)
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  const places = []
  const overlaps = []
  const wanted = ({ name }) => name.includes(values.only)
  try {
    const plain = await makeFile(join(folder, 'plain'))
    for (const row of ROWS.filter(wanted)) {
      places.push(await openRow(row, folder, places.length))
    }
    for (const row of OVERLAPS.filter(wanted)) {
      // Each on its own: what past the page cache is written has to be read again through it.
      const path = await makeFile(join(folder, `batches-${overlaps.length}`))
      overlaps.push(await openOverlap(row, path, RING_BYTES))
    }
    for (let round = 0; round <= rounds; round++) {
      console.error(round === 0 ? 'warming up' : `round ${round} of ${rounds}`)
      for (const { row, file, memory, samples } of places) {
        const onFile = await measure(file, row, ms)
        const figures = {
          whole: onFile.us,
          calls: onFile.callUs,
          alone: await replay(plain, onFile.calls, row.engine),
          memory: (await measure(memory, row, ms)).ownUs,
        }
        if (round > 0) samples.push(figures)
      }
      for (const { measure: measureOverlap, samples } of overlaps) {
        const figures = await measureOverlap(ms)
        if (round > 0) samples.push(figures)
      }
    }
    const whole = !values.quick && values.only === ''
    const result = {
      whole,
      machine: machineOf(folder),
      rounds,
      rows: places.map(summarised),
      overlaps: overlaps.map(summarised),
    }
    console.log(costText(result))
    const name = whole ? 'cost' : 'partial'
    console.error(`Written: ${await writeResult(values.out, name, result)}`)
  } finally {
    for (const { file, memory } of places) await Promise.all([file.close(), memory.close()])
    for (const { close } of overlaps) await close()
    await rm(folder, { recursive: true, force: true })
  }
}

function summarised({ row, samples }) {
  const having = (name) => [name, summary(samples.map((sample) => sample[name]))]
  return { name: row.name, ...Object.fromEntries(Object.keys(samples[0]).map(having)) }
}

/** A file that was written in full. */
async function makeFile(path) {
  await (await FileBlockDevice.create(path, { sizeBytes: RING_BYTES })).disconnect()
  return path
}

/** A ring for a row on a file, and one in memory. */
async function openRow(row, folder, number) {
  const path = await makeFile(join(folder, `ring-${number}`))
  const engine = row.engine ?? 'sync'
  const file = await openRing(await FileBlockDevice.open(path, { direct: true, engine }))
  const sizeSectors = RING_BYTES / SECTOR_BYTES
  const memory = await openRing(new MemoryBlockDevice({ sizeSectors, sectorSize: SECTOR_BYTES }))
  return { row, file, memory, samples: [] }
}

/** A ring on a device whose calls are timed, and noted, as long as `timed.on`. */
async function openRing(device) {
  const timed = { on: false, ms: 0, calls: [] }
  for (const operation of ['read', 'write']) {
    const call = device[operation].bind(device)
    device[operation] = async (sector, buffers, options) => {
      if (!timed.on) return call(sector, buffers, options)
      const bytes = buffers.reduce((sum, { length }) => sum + length, 0)
      timed.calls.push({ operation, at: sector * SECTOR_BYTES, bytes })
      const began = performance.now()
      await call(sector, buffers, options)
      timed.ms += performance.now() - began
    }
  }
  await Producer.create(device)
  const writer = await RingWriter.open(device)
  const consumer = await Consumer.attach(device)
  const close = async () => {
    await Promise.all([writer.close(), consumer.close()])
    await device.disconnect()
  }
  return { timed, writer, consumer, close }
}

/** Commits for so long. Answers microseconds of each: in all, in calls of the device, and besides. */
async function measure({ timed, writer, consumer }, { itemBytes, items, take = false }, ms) {
  const made = makeItems(itemBytes)
  const batch = Array.from({ length: items }, (_, index) => made[index % made.length])
  const most = Math.floor(MAX_BYTES / Math.max(items * itemBytes, BLOCK_BYTES))
  const takeBatch = async (maxItems) => {
    const popped = await consumer.popMany({ maxItems, maxBytes: 8 * MIB })
    const last = popped.at(-1)
    if (last !== undefined) await consumer.advance(last.position)
    return popped.length
  }
  while ((await takeBatch(1000)) > 0);
  const pushed = take ? await fill(writer, made, itemBytes, most * items) : 0
  const commit = take ? () => takeBatch(items) : () => push(writer, batch)
  Object.assign(timed, { on: true, ms: 0, calls: [] })
  const began = performance.now()
  let commits = 0
  while (commits < most && performance.now() < began + ms) {
    if (take && (commits + 1) * items > pushed) break
    await commit()
    commits++
  }
  const elapsed = performance.now() - began
  timed.on = false
  const each = (milliseconds) => (milliseconds * 1000) / commits
  const us = each(elapsed)
  return {
    us,
    callUs: each(timed.ms),
    ownUs: us - each(timed.ms),
    calls: { commits, all: timed.calls },
  }
}

function push(writer, batch) {
  return batch.length === 1 ? writer.push(batch[0]) : writer.pushMany(batch)
}

/** Pushes so many items, a mebibyte in a call. Answers how many they are. */
async function fill(writer, made, itemBytes, count) {
  const wanted = Math.min(count, 20_000)
  const batch = made.slice(0, Math.max(1, Math.floor(MIB / itemBytes)))
  let done = 0
  for (; done < wanted; done += batch.length) await writer.pushMany(batch)
  return done
}

/** The same calls by themselves, from memory that is there. Answers microseconds of a commit. */
async function replay(path, { commits, all }, engine) {
  const { O_RDWR, O_DIRECT = 0, O_DSYNC } = constants
  const fd = openSync(path, O_RDWR | O_DIRECT | O_DSYNC)
  try {
    const size = Math.max(...all.map(({ bytes }) => bytes))
    // Resizable memory begins at a page, as O_DIRECT needs it.
    const memory = new Uint8Array(new ArrayBuffer(size, { maxByteLength: size })).fill(1)
    const writeLater = promisify(write)
    const began = performance.now()
    for (const { operation, bytes, at } of all) {
      if (operation === 'read') readSync(fd, memory, 0, bytes, at)
      else if (engine === 'pool') await writeLater(fd, memory, 0, bytes, at)
      else writeSync(fd, memory, 0, bytes, at)
    }
    return ((performance.now() - began) * 1000) / commits
  } finally {
    closeSync(fd)
  }
}
