// npm run bench:backlog: what it costs that items wait. How long a process takes to attach to a ring in which ten
// million wait, and the memory it needs; and what an item costs in rings of different sizes, and of one size that are
// more and more full.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { CyclingRing, fillTo } from './backlog/cycling-ring.mjs'
import { backlogText } from './lib/backlog-table.mjs'
import { RESULTS, writeResult } from './lib/files.mjs'
import { machineOf } from './lib/machine.mjs'
import { summary } from './lib/result.mjs'
import { FileBlockDevice, Producer } from './lib/ring.mjs'

const USAGE = `npm run bench:backlog [-- OPTIONS]
  --only PART      attach, or cost
  --items N        how many wait (default 10000000, in a file of 1.3 GB)
  --rounds N       how often everything is measured (default 5)
  --quick          200,000 items, one round
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)
  --out FOLDER     where to write backlog.json (default: bench/results)`

const MIB = 1 << 20
const ITEM_BYTES = 100
/** What an item and its share of a batch take at most. */
const ROOM_PER_ITEM = 130
const RINGS = [
  { name: '1 MiB, nearly empty', sizeBytes: MIB, share: 0 },
  { name: '16 MiB, nearly empty', sizeBytes: 16 * MIB, share: 0 },
  { name: '8 GiB, nearly empty', sizeBytes: 8192 * MIB, share: 0 },
  { name: '256 MiB, 1 % full', sizeBytes: 256 * MIB, share: 0.01 },
  { name: '256 MiB, 50 % full', sizeBytes: 256 * MIB, share: 0.5 },
  { name: '256 MiB, 99 % full', sizeBytes: 256 * MIB, share: 0.99 },
]
/** A larger file is sparse behind this: more than is pushed into it. */
const WRITTEN_BYTES = 256 * MIB

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    items: { type: 'string' },
    rounds: { type: 'string', default: '5' },
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
  const items = Number(values.items ?? (values.quick ? 200_000 : 10_000_000))
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  try {
    const has = (part) => values.only === undefined || values.only === part
    const attach = has('attach') ? await measureAttach(folder, items, rounds) : []
    const cost = has('cost') ? await measureCost(folder, rounds, values.quick ? 5 : 40) : []
    const whole = !values.quick && values.only === undefined && values.items === undefined
    const result = { whole, machine: machineOf(folder), rounds, items, attach, cost }
    console.log(backlogText(result))
    const name = whole ? 'backlog' : 'partial'
    console.error(`Written: ${await writeResult(values.out, name, result)}`)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Attaches in a process of its own: through the page cache, and past it, where the disk has to read. */
async function measureAttach(folder, items, rounds) {
  console.error(`pushing ${items} items`)
  const path = join(folder, 'backlog')
  const sizeBytes = Math.ceil((items * ROOM_PER_ITEM) / MIB + 1) * MIB
  await makeRing(path, sizeBytes, sizeBytes)
  const device = await FileBlockDevice.open(path, { direct: true })
  await fillTo(device, ({ pushed }) => pushed >= items, ITEM_BYTES)
  await device.disconnect()
  const rows = []
  for (const direct of [false, true]) {
    const samples = []
    // The last of all takes the items out.
    for (let round = 1; round <= rounds; round++) {
      console.error(`attaching, round ${round} of ${rounds}`)
      samples.push(await attach({ path, direct, items, drain: direct && round === rounds }))
    }
    rows.push({ direct, ...summaries(samples) })
  }
  await rm(path)
  return rows
}

/** Lists of figures by name, from figures by name. */
function summaries(samples) {
  const names = [...new Set(samples.flatMap((sample) => Object.keys(sample)))]
  const having = (name) =>
    samples.map((sample) => sample[name]).filter((each) => each !== undefined)
  return Object.fromEntries(names.map((name) => [name, summary(having(name))]))
}

async function attach(options) {
  const script = fileURLToPath(new URL('backlog/attach.mjs', import.meta.url))
  const child = fork(script, [JSON.stringify(options)])
  const exit = once(child, 'exit')
  const answer = await Promise.race([
    once(child, 'message'),
    exit.then(([code]) => Promise.reject(new Error(`attaching ended with ${code}`))),
  ])
  await exit
  return answer[0]
}

async function measureCost(folder, rounds, cycles) {
  const rings = []
  try {
    for (const [number, { name, sizeBytes, share }] of RINGS.entries()) {
      console.error(`making a ring: ${name}`)
      const path = join(folder, `ring-${number}`)
      await makeRing(path, sizeBytes)
      const device = await FileBlockDevice.open(path)
      const isFull = ({ used, capacity }) => used >= share * capacity - MIB
      await fillTo(device, share > 0 ? isFull : () => true, ITEM_BYTES)
      rings.push({ name, ring: await CyclingRing.open(device, ITEM_BYTES), samples: [] })
    }
    for (let round = 1; round <= rounds; round++) {
      console.error(`cost of an item, round ${round} of ${rounds}`)
      for (const { ring, samples } of rings) samples.push(await ring.cycle(cycles))
    }
    return rings.map(({ name, samples }) => ({ name, ...summaries(samples) }))
  } finally {
    for (const { ring } of rings) await ring.close()
  }
}

/** A ring in a file that was written as far as it is going to be used: durable writes into a hole are slow. */
async function makeRing(path, sizeBytes, writtenBytes = Math.min(sizeBytes, WRITTEN_BYTES)) {
  await (await FileBlockDevice.create(path, { sizeBytes: writtenBytes })).disconnect()
  if (sizeBytes > writtenBytes) await truncate(path, sizeBytes)
  const device = await FileBlockDevice.open(path)
  await Producer.create(device)
  await device.disconnect()
}
