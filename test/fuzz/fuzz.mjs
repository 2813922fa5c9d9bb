// Damages images of rings, and does to each all that can be done to a ring. It runs the sources, and stops by itself:
// exit 1 when something may not be.
import { register } from 'node:module'
import { cpus } from 'node:os'
import process from 'node:process'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'

register('./typescript-hooks.mjs', import.meta.url)
process.setSourceMapsEnabled(true)
const { explain, fuzz, merge, noReport, sourceOf } = await import('./run.ts')

const USAGE =
  'npm run fuzz -- [--hostile] [--first] [--images N] [--from N] [--format 1|2] [--workers N] [--json] | [--hostile] --seed N\n' +
  'npm run fuzz -- --commands [--images N] [--from N] [--workers N] | --commands --seed N'
/**
 * An image takes milliseconds, and one of a few that hold millions of items, ten seconds; beside much load, ten times
 * that.
 */
const STUCK_MS = 600_000
const WATCH_MS = 1000

const { values } = parseArgs({
  args: isMainThread ? process.argv.slice(2) : workerData.args,
  options: {
    images: { type: 'string', default: '100000' },
    from: { type: 'string', default: '1' },
    format: { type: 'string' },
    hostile: { type: 'boolean', default: false },
    commands: { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
    workers: { type: 'string', default: String(cpus().length) },
    seed: { type: 'string' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
const { hostile, first } = values
const which = { hostile, first, ...(values.format && { format: Number(values.format) }) }

if (values.help) console.log(USAGE)
else if (!isMainThread) await work(workerData)
else if (values.commands) await throughCommands()
else if (values.seed !== undefined) await replay(Number(values.seed))
else await main()

async function work({ share, current }) {
  const seeds = new Float64Array(current)
  const onImage = (seed) => {
    seeds[0] = seed
  }
  parentPort.postMessage(await fuzz({ ...share, ...which, onImage }))
}

async function replay(seed) {
  const images = await sourceOf(which)
  const image = images.image(seed)
  console.log(images.describe(image))
  try {
    console.log((await images.run(image, seed)).steps.join('\n'))
  } catch (error) {
    process.exitCode = 1
    console.log(explain(error))
  }
}

async function main() {
  const started = Date.now()
  const [images, from, workers] = [values.images, values.from, values.workers].map(Number)
  const reports = await Promise.all(
    Array.from({ length: workers }, (_, index) => {
      const count = Math.ceil((images - index) / workers)
      return run({ from: from + index, stride: workers, images: count })
    }),
  )
  const report = noReport()
  for (const each of reports) merge(report, each)
  const seconds = (Date.now() - started) / 1000
  if (values.json) console.log(JSON.stringify({ ...report, seconds }))
  else print(report, seconds)
  if (report.failures.length > 0) process.exitCode = 1
}

/** Runs the built command line on hostile images, in processes. */
async function throughCommands() {
  const { replayCommands, runCommands } = await import('./hostile/commands/run.ts')
  const started = Date.now()
  const [images, from, workers] = [values.images, values.from, values.workers].map(Number)
  const report = await (values.seed === undefined
    ? runCommands({ images, from, workers })
    : replayCommands(Number(values.seed)))
  if (report.failures.length > 0) process.exitCode = 1
  if (values.json) return console.log(JSON.stringify(report))
  const { ends, mostBytes, mostMs, failures, skipped } = report
  console.log(
    `${report.images} images (and ${skipped} too large) in ${(Date.now() - started) / 1000} s; ` +
      `a command took at most ${mostBytes} bytes of memory and ${Math.round(mostMs)} ms`,
  )
  for (const [end, count] of Object.entries(ends).sort()) console.log(`  ${end}: ${count}`)
  for (const { seed, command, problem } of failures) {
    console.log(`seed ${seed}: ${command}\n${problem}`)
    console.log(`replay: npm run fuzz -- --commands --seed ${seed}`)
  }
}

/** Runs a share of the images in a thread, and ends it if one of them does not end. */
function run(share) {
  const current = new SharedArrayBuffer(8)
  const seeds = new Float64Array(current)
  return new Promise((resolve, reject) => {
    const args = process.argv.slice(2)
    const worker = new Worker(new URL(import.meta.url), { workerData: { share, current, args } })
    let last = { seed: 0, at: Date.now() }
    const watch = setInterval(() => {
      const [seed] = seeds
      // 0 is no image: the rings that are damaged are still being made.
      if (seed === 0 || seed !== last.seed) last = { seed, at: Date.now() }
      else if (Date.now() - last.at > STUCK_MS) {
        void worker.terminate()
        const failure = {
          seed,
          kind: 'stuck',
          count: 1,
          image: 'an image',
          problem: 'does not end',
        }
        finish({ ...noReport(), failures: [failure] })
      }
    }, WATCH_MS)
    const finish = (report) => {
      clearInterval(watch)
      resolve(report)
    }
    worker.once('message', finish)
    worker.once('error', (error) => {
      clearInterval(watch)
      reject(error)
    })
  })
}

function cpuSeconds() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

function print({ images, sealed, delivered, steps, most, mostMs, failures }, seconds) {
  console.log(
    `${images} images (${sealed} with checksums that hold) in ${seconds.toFixed(1)} s: ` +
      `${Math.round(images / seconds)} images/s, ${Math.round(images / cpuSeconds())} per second of a core, ` +
      `${delivered} items delivered`,
  )
  console.log(
    `at most ${most.requests} requests, ${most.moved} bytes moved, ${most.allocated} bytes allocated ` +
      `(${most.largest} at once), ${mostMs.toFixed(1)} ms an image; a thread had at most ${most.grown} bytes more than before`,
  )
  for (const [step, count] of Object.entries(steps).sort()) console.log(`  ${step}: ${count}`)
  const kind = hostile ? ' --hostile' : ''
  const only = values.format === undefined ? kind : `${kind} --format ${values.format}`
  for (const { seed, count, image, problem } of failures) {
    console.log(`seed ${seed}, and ${count - 1} more: ${image}\n${problem}`)
    console.log(`replay: npm run fuzz -- --seed ${seed}${only}`)
  }
}
