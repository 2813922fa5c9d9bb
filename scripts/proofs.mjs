// Runs the proofs: their test files, the simulator, and a Ceph cluster; then the same, the fuzzer, mutants and power
// cuts with other seeds, as long as it may. Exit 1 at the first that fails.
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { appendFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { labProblem } from '../lab/ceph/packages.mjs'

const USAGE = `npm run test:proofs -- [--minutes N] [--seed N]
Each proof once, and then rounds with other seeds until N minutes are over: a step that has begun is brought to its end.
Without --seed, a new one is drawn and printed.`

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const { REQUIRE_INTEROP, SBR_TALLY } = process.env

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '0' },
    seed: { type: 'string', default: String(randomInt(1, 1_000_000)) },
    help: { type: 'boolean', default: false },
  },
})

/** The programs of a round, and how they are told where random inputs begin. */
const SIMULATOR = [
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '400', '--format', '1', '--from'],
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '800', '--format', '2', '--from'],
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '400', '--format', '2-overwrite', '--from'],
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '350', '--format', '2-reader', '--from'],
  [
    'scripts/sim.mjs',
    '--mix',
    'each',
    '--seeds',
    '200',
    '--format',
    '2-overwrite-reader',
    '--from',
  ],
  // A reader that calls process, with the items of an adversary.
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '200', '--format', '2-work', '--from'],
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '250', '--format', '2-overwrite-work', '--from'],
  // An adversary chooses what the items hold; all else is as in format 2.
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '300', '--format', '2-hostile', '--from'],
  ['scripts/sim.mjs', '--seeds', '200', '--format', 'leases', '--from'],
  ['scripts/sim.mjs', '--seeds', '120', '--format', 'pools', '--from'],
  ['scripts/sim.mjs', '--mix', 'each', '--seeds', '81', '--format', 'groups', '--from'],
  // Not the simulator, but as short: checks left out, found by hostile images.
  ['scripts/sim-mutants.mjs', '--format', 'hostile', '--some', '3', '--seed'],
]
const MORE = [
  ['test/fuzz/fuzz.mjs', '--images', '20000', '--from'],
  ['test/fuzz/fuzz.mjs', '--hostile', '--images', '3000', '--from'],
  ['test/fuzz/fuzz.mjs', '--commands', '--images', '100', '--from'],
  ['scripts/sim-mutants.mjs', '--some', '4', '--seed'],
  ['test/vm/powercut.mjs', '--seconds', '30', '--cuts', '500', '--seed'],
]
/** Seeds of a round do not meet those of the next. */
const ROUND = 100_000
/** Nor those of the test files. */
const BEHIND = 1000

if (values.help) console.log(USAGE)
else process.exitCode = (await main(Number(values.minutes), Number(values.seed))) ? 0 : 1

async function main(minutes, seed) {
  const end = Date.now() + minutes * 60_000
  console.log(`seed ${seed}: npm run test:proofs -- --seed ${seed} does the same again`)
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--project', 'proofs*']
  if (!(await step(vitest, { SBR_SEED: String(seed) }))) return false
  for (const program of SIMULATOR)
    if (!(await counted([...program, String(seed + BEHIND)]))) return false
  if (!(await ceph(seed))) return false
  for (let round = 1; Date.now() < end; round++) {
    for (const program of [...MORE, ...SIMULATOR]) {
      if (Date.now() >= end) return true
      if (!(await counted([...program, String(seed + BEHIND + round * ROUND)]))) return false
    }
  }
  return true
}

/** A cluster is made only where one can be, or has to be. */
async function ceph(seed) {
  const problem = labProblem()
  if (problem === undefined || REQUIRE_INTEROP === '1') {
    return await counted(['lab/ceph.mjs', '--short', '--seed', String(seed)])
  }
  console.log(`skipped: npm run lab:ceph: ${problem}`)
  return true
}

/** A program that counts as one test; vitest counts its own. */
async function counted(args) {
  const passed = await step(args)
  if (SBR_TALLY !== undefined) appendFileSync(SBR_TALLY, passed ? '1 0\n' : '0 1\n')
  return passed
}

/** Runs a Node program, and answers whether it ended well. */
async function step([script, ...args], env = {}) {
  const name = [script, ...args].join(' ')
  console.log(`\n== ${name}`)
  const started = Date.now()
  const child = spawn(process.execPath, [script, ...args], {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, ...env },
  })
  const code = await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  console.log(`== ${name}: ${Math.round((Date.now() - started) / 1000)} s`)
  if (code !== 0) console.error(`FAILED: node ${name}`)
  return code === 0
}
