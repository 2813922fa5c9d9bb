// Boots a machine with systemd, and has the units of examples/deploy do jobs there while they are stopped, killed, made to hang and
// rebooted. Stops by itself and takes everything away again: exit 1 when a guarantee is violated.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { run } from './run.mjs'
import { stopOnSignals } from './stop.mjs'
import { Jobs } from './systemd/jobs.mjs'
import { Machine } from './systemd/machine.mjs'
import { labProblem } from './systemd/packages.mjs'
import { CHAPTERS } from './systemd/story.mjs'

const USAGE = `npm run lab:systemd -- [--root DIR] [--keep]
As root. --root copies a root directory of Debian with systemd and dbus, in place of running debootstrap; --keep leaves the folder
with the machine.`

const LIMIT_MS = 900_000
const PROGRAMS = ['do-job', 'forbidden', 'make-jobs']
const repository = fileURLToPath(new URL('../', import.meta.url))
const example = join(repository, 'examples/deploy')

const { values } = parseArgs({
  options: {
    root: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const { stopped, signal } = stopOnSignals(LIMIT_MS)

const problem = labProblem(values)
if (values.help) console.log(USAGE)
else if (problem === undefined) await main()
else {
  console.log(`skipped: npm run lab:systemd: ${problem}`)
  if (process.env.REQUIRE_INTEROP === '1') process.exitCode = 1
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), 'sbr-systemd-'))
  const machine = new Machine(folder, signal)
  try {
    const startMs = await timed(() => setUp(machine, folder))
    console.log(`a machine with systemd is there after ${seconds(startMs)}`)
    await tell(machine)
  } catch (error) {
    if (stopped.aborted) console.log(stopped.reason.message)
    else {
      process.exitCode ||= 1
      console.error(error)
    }
  } finally {
    await machine.kill()
    if (values.keep) console.log(`the machine and its console are in ${folder}`)
    else rmSync(folder, { recursive: true, force: true })
  }
}

/** A machine that has the package, and in /root/deploy what the README starts from. */
async function setUp(machine, folder) {
  const pack = ['pack', '--ignore-scripts', '--pack-destination', folder, repository]
  await run('npm', pack, { signal })
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith('.tgz'))
  await machine.create({ copyOf: values.root, tarball: join(folder, tarball) })
  for (const name of PROGRAMS)
    machine.put(join(repository, 'lab/systemd', name), 'root/deploy', 0o755)
  machine.put(join(repository, 'lab/systemd/forbidden'), 'usr/local/bin', 0o755)
  const units = join(example, 'systemd')
  for (const name of readdirSync(units)) machine.put(join(units, name), 'root/deploy/systemd')
  await machine.boot()
}

async function tell(machine) {
  const [readme, worker] = ['README.md', 'systemd/jobs-worker.service'].map((name) =>
    readFileSync(join(example, name), 'utf8'),
  )
  const report = {}
  const lab = { machine, jobs: new Jobs(machine), readme, worker, report }
  for (const { title, happen } of CHAPTERS) {
    const ms = await timed(() => happen(lab))
    console.log(`${title}: ${seconds(ms)}`)
  }
  console.log(`${report.jobs} jobs, none lost; ${report.repeats} were done again after a restart`)
}

async function timed(act) {
  const from = performance.now()
  await act()
  return performance.now() - from
}

function seconds(ms) {
  return `${(ms / 1000).toFixed(1)} s`
}
