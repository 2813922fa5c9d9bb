// Runs the simulator over the built package, and stops by itself: exit 1 when a guarantee is violated.
import { cpus } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { countOf, DIST, named, optionsOf, simulatorOf } from './sim-cli.mjs'

const USAGE = `npm run sim -- [--seeds N | --minutes N | --seed N] [--from N] [--format 2] [--device disk] [--mix NAME]
  [--steps N] [--workers N] [--json]
--format is 1, 2, 2-overwrite, 2-hostile; 1-reader, 2-reader, 2-overwrite-reader: a RingReader acknowledges in any order;
1-work, 2-work, 2-overwrite-work: it calls process; leases: hosts that are after one role; pools: programs that change one pool; or groups: members
that share rings.
--device is how the roles reach the disk: disk, or nbd.
--mix each goes through all mixes, --mix swarm (the default) through those in which nothing may be lost.`

const values = optionsOf({
  args: isMainThread ? process.argv.slice(2) : workerData.args,
  options: {
    minutes: { type: 'string' },
    seeds: { type: 'string' },
    seed: { type: 'string' },
    from: { type: 'string' },
    format: { type: 'string', default: '2' },
    device: { type: 'string', default: 'disk' },
    mix: { type: 'string', default: 'swarm' },
    steps: { type: 'string' },
    workers: { type: 'string' },
    dist: { type: 'string', default: DIST },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (values.help) {
  console.log(USAGE)
  process.exit()
}
const sim = await simulatorOf(values.dist)
const simulated = named(() => sim.simulatedNamed(values.format))
const options = {
  mix: values.mix,
  device: values.device,
  ...(values.steps && { steps: countOf('steps', values.steps) }),
}
named(() => simulated.check(options))

if (!isMainThread) parentPort.postMessage(await share(workerData))
else if (values.seed !== undefined) await replay(countOf('seed', values.seed))
else await main()

/** One worker's share of the seeds. */
async function share({ from, stride, seeds, until }) {
  const late = until === undefined ? undefined : () => Date.now() >= until
  const { counts, failing } = await sim.exploreSeeds(simulated, {
    ...options,
    from,
    stride,
    seeds: seeds ?? Number.POSITIVE_INFINITY,
    ...(late && { until: late }),
  })
  return { counts, seed: failing?.plan.seed, broken: failing?.broken }
}

async function replay(seed) {
  const outcome = await simulated.runSeed(seed, options)
  if (outcome.broken === undefined) {
    console.log(`seed ${seed} keeps every promise`)
    return
  }
  process.exitCode = 1
  console.log(await simulated.explain(outcome, options))
}

async function main() {
  const started = Date.now()
  const minutes = countOf('minutes', values.minutes)
  // Long runs see other seeds each time.
  const from = countOf('from', values.from, minutes === undefined ? 1 : started % 1e9)
  const seeds = countOf('seeds', values.seeds, minutes === undefined ? 2000 : 1e12)
  const workers = Math.max(1, countOf('workers', values.workers, cpus().length))
  const until = minutes === undefined ? undefined : started + minutes * 60_000
  const work = (index) => ({
    from: from + index,
    stride: workers,
    seeds: Math.ceil((seeds - index) / workers),
    until,
  })
  const shares =
    workers === 1
      ? [await share(work(0))]
      : await Promise.all(Array.from({ length: workers }, (_, index) => run(work(index))))
  const counts = simulated.noCounts()
  for (const done of shares) sim.addCounts(counts, done.counts)
  const failing = shares.filter(({ seed }) => seed !== undefined).sort((a, b) => a.seed - b.seed)[0]
  const seconds = (Date.now() - started) / 1000
  if (values.json) {
    console.log(JSON.stringify({ counts, seconds, seed: failing?.seed, broken: failing?.broken }))
  } else {
    print(counts, seconds, from)
    if (failing !== undefined) await replay(failing.seed)
  }
  if (failing !== undefined) process.exitCode = 1
}

function run(work) {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL(import.meta.url), {
      workerData: { ...work, args: process.argv.slice(2) },
    })
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

function print(counts, seconds, from) {
  console.log(
    `format ${simulated.name}, device ${values.device}, mix ${values.mix}: ${counts.seeds} seeds from ${from} on in ${seconds.toFixed(1)} s: ` +
      simulated.summary(counts, seconds),
  )
  const faults = Object.entries(counts.faults).sort(([, a], [, b]) => b - a)
  console.log(`faults: ${faults.map(([kind, count]) => `${kind} ${count}`).join(', ') || 'none'}`)
}
