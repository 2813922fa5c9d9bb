// Shows that the simulator finds every mutant in test/sim/mutants.mjs, and nothing where there is none.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { MUTANTS, SEEDS } from '../test/sim/mutants.mjs'
import { modules, transpile } from './sim-transpile.mjs'

const { values } = parseArgs({
  options: {
    format: { type: 'string' },
    only: { type: 'string' },
    baseline: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const simulator = fileURLToPath(new URL('sim.mjs', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'sbr-mutants-'))
const whole = join(folder, 'whole')

try {
  transpile(whole, modules())
  const wanted = MUTANTS.filter(
    ({ name, format }) => (values.format ?? format) === format && name.includes(values.only ?? ''),
  )
  const right = values.baseline ? baselines(wanted) : true
  const survivors = wanted.filter((mutant, index) => !found(mutant, index))
  console.log(`${wanted.length - survivors.length} of ${wanted.length} mutants found`)
  for (const { name } of survivors) console.log(`survived: ${name}`)
  process.exitCode = right && survivors.length === 0 ? 0 : 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** Without a mutant, the same seeds find nothing. */
function baselines(mutants) {
  const budgets = new Map()
  for (const { format, mix = 'swarm', seeds = SEEDS } of mutants) {
    const key = `${format} ${mix}`
    budgets.set(key, { format, mix, seeds: Math.max(seeds, budgets.get(key)?.seeds ?? 0) })
  }
  return [...budgets.values()].every(({ format, mix, seeds }) => {
    const result = simulate(whole, format, mix, seeds)
    const nothing = result.broken === undefined
    const what = nothing ? 'nothing, as it should' : `seed ${result.seed}: ${result.broken.message}`
    console.log(`format ${format}, mix ${mix}, no mutant, ${seeds} seeds: found ${what}`)
    return nothing
  })
}

function found(mutant, index) {
  const { name, format, edits, mix = 'swarm', seeds = SEEDS } = mutant
  const mutated = join(folder, String(index))
  cpSync(whole, mutated, { recursive: true })
  transpile(mutated, [...new Set(edits.map(({ file }) => file))], edits)
  const { seed, broken, seconds } = simulate(mutated, format, mix, seeds)
  rmSync(mutated, { recursive: true })
  const what =
    broken === undefined
      ? `SURVIVED ${seeds} seeds`
      : `found after ${seed} seeds (${broken.kind}: ${broken.message.slice(0, 80)})`
  console.log(`format ${format}: ${name}: ${what}, ${seconds.toFixed(1)} s`)
  return broken !== undefined
}

function simulate(dist, format, mix, seeds) {
  const args = ['--dist', dist, '--format', format, '--mix', mix, '--seeds', String(seeds)]
  const child = spawnSync(process.execPath, [simulator, ...args, '--workers', '1', '--json'], {
    encoding: 'utf8',
    timeout: 600_000,
  })
  try {
    return JSON.parse(child.stdout)
  } catch {
    throw new Error(`the simulator did not answer: ${child.stderr || child.signal}`)
  }
}
