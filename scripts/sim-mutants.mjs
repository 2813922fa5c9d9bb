// Shows that the simulator, or the generator of hostile images, finds every mutant in test/sim/mutants.mjs, or --some of them, drawn
// by --seed, and nothing where there is none.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { MUTANTS, SEEDS } from '../test/sim/mutants.mjs'
import { countOf, optionsOf, simulatorOf } from './sim-cli.mjs'
import { modules, patched, transpile } from './sim-transpile.mjs'

const values = optionsOf({
  options: {
    format: { type: 'string' },
    only: { type: 'string' },
    some: { type: 'string' },
    seed: { type: 'string', default: '1' },
    baseline: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const here = (name) => fileURLToPath(new URL(name, import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sbr-mutants-'))
const whole = join(folder, 'whole')

try {
  transpile(whole, modules())
  const named = MUTANTS.filter(
    ({ name, format }) => (values.format ?? format) === format && name.includes(values.only ?? ''),
  )
  const wanted = await drawn(named, countOf('some', values.some, named.length))
  const right = values.baseline ? (await each(baselines(wanted), baseline)).every(Boolean) : true
  const results = await each(wanted, found)
  const survivors = wanted.filter((_, index) => !results[index])
  console.log(`${wanted.length - survivors.length} of ${wanted.length} mutants found`)
  for (const { name } of survivors) console.log(`survived: ${name}`)
  process.exitCode = right && survivors.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Some of a list, without one twice. */
async function drawn(list, count) {
  const { Random } = await simulatorOf(whole)
  const random = Random.of(countOf('seed', values.seed))
  const left = [...list]
  return Array.from(
    { length: Math.min(count, list.length) },
    () => left.splice(random.below(left.length), 1)[0],
  )
}

/** Does something with each of a list, as many at once as there are processors. */
async function each(list, act) {
  const results = []
  let next = 0
  const worker = async () => {
    while (next < list.length) {
      const index = next++
      results[index] = await act(list[index], index)
    }
  }
  await Promise.all(cpus().map(worker))
  return results
}

/** What has to find nothing without a mutant: all seeds, and all scripts, in which one is looked for. */
function baselines(mutants) {
  const budgets = new Map()
  for (const mutant of mutants) {
    const { format, device = 'disk', mix = 'swarm', seeds = SEEDS, exhaust, hostile } = mutant
    if (hostile !== undefined) {
      const most = Math.max(hostile, budgets.get('hostile')?.hostile ?? 0)
      budgets.set('hostile', { format, hostile: most })
      continue
    }
    if (exhaust !== undefined) {
      budgets.set(where(mutant), { format, exhaust })
      continue
    }
    const key = `${format} ${device} ${mix}`
    budgets.set(key, { format, device, mix, seeds: Math.max(seeds, budgets.get(key)?.seeds ?? 0) })
  }
  return [...budgets.values()]
}

async function baseline(budget) {
  const result =
    budget.hostile === undefined
      ? await simulate(whole, budget)
      : await fuzz(here('..'), budget.hostile)
  const nothing = result.broken === undefined
  const what = nothing ? 'nothing, as it should' : `${result.seed}: ${result.broken.message}`
  console.log(`format ${budget.format}, no mutant, ${where(budget)}: found ${what}`)
  return nothing
}

async function found(mutant, index) {
  const { edits } = mutant
  const mutated = join(folder, String(index))
  if (mutant.hostile !== undefined) return told(mutant, await fuzzed(mutated, mutant))
  cpSync(whole, mutated, { recursive: true })
  transpile(mutated, [...new Set(edits.map(({ file }) => file))], edits)
  const result = await simulate(mutated, mutant)
  rmSync(mutated, { recursive: true })
  return told(mutant, result)
}

/** Copies the sources and the fuzzer, mutated, and has it look. */
async function fuzzed(mutated, { edits, hostile }) {
  for (const name of ['src', 'test/fuzz']) {
    cpSync(here(`../${name}`), join(mutated, name), { recursive: true })
  }
  for (const name of ['node_modules', 'package.json']) {
    symlinkSync(here(`../${name}`), join(mutated, name))
  }
  for (const { file } of edits) writeFileSync(join(mutated, 'src', file), patched(file, edits))
  const result = await fuzz(mutated, hostile)
  rmSync(mutated, { recursive: true })
  return result
}

/** Runs hostile images until something is wrong with one. */
async function fuzz(root, images) {
  const args = ['--hostile', '--images', String(images), '--workers', '1', '--first', '--json']
  const {
    failures,
    images: done,
    seconds,
  } = await answerOf([join(root, 'test/fuzz/fuzz.mjs'), ...args])
  const [failure] = failures
  const broken = failure && { kind: failure.kind, message: failure.problem }
  return { seconds, broken, seed: `${done} images` }
}

function told(mutant, { seed, broken, seconds }) {
  const { name, format } = mutant
  const what =
    broken === undefined
      ? `SURVIVED ${where(mutant)}`
      : `found after ${seed} (${broken.kind}: ${broken.message.slice(0, 80)})`
  console.log(`format ${format}: ${name}: ${what}, ${seconds.toFixed(1)} s`)
  return broken !== undefined
}

/** Where a mutant is looked for, for people. */
function where({ device = 'disk', mix = 'swarm', seeds = SEEDS, exhaust, hostile }) {
  if (hostile !== undefined) return `${hostile} hostile images`
  return exhaust === undefined
    ? `${seeds} seeds of ${mix} over ${device}`
    : `every crash point of ${exhaust.join(' ')}`
}

/** Runs seeds of a mix, or all crash points of a script. */
async function simulate(dist, { format, device = 'disk', mix = 'swarm', seeds = SEEDS, exhaust }) {
  const [script, how] =
    exhaust === undefined
      ? ['sim.mjs', ['--device', device, '--mix', mix, '--seeds', String(seeds), '--workers', '1']]
      : ['sim-exhaust.mjs', exhaust]
  const args = [here(script), '--dist', dist, '--format', format, ...how, '--json']
  const { seed, broken, runs, seconds } = await answerOf(args)
  return { seconds, broken, seed: exhaust === undefined ? `${seed} seeds` : `${runs} runs` }
}

/** What a program prints, which is JSON. */
async function answerOf(args) {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 600_000,
  })
  const [answer, complaint, [code, signal]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ])
  try {
    return JSON.parse(answer)
  } catch {
    throw new Error(`${args[0]} did not answer: ${complaint || `it ended with ${signal ?? code}`}`)
  }
}
