// Records the disk of a virtual machine in which a ring is at work, and checks what power cuts would have left of it.
// Stops by itself: exit 1 when a guarantee is violated, or when a disk that lies is not found out.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { stopOnSignals } from '../../lab/stop.mjs'
import { Items } from '../crash/items.mjs'
import { buildArchive } from './archive.mjs'
import { cutAll } from './cuts.mjs'
import { downloadKernel } from './kernel.mjs'
import { machineProblem, runMachine } from './machine.mjs'

const USAGE = `node test/vm/powercut.mjs [--format 1|2]... [--items N] [--seconds N] [--cuts N] [--seed N] [--json] | --prepare
Each machine works until N items are through or N seconds are over; --cuts is how often its power is cut. --prepare
downloads the kernel.`

const { values } = parseArgs({
  options: {
    format: { type: 'string', multiple: true, default: ['1', '2'] },
    items: { type: 'string', default: '200000' },
    seconds: { type: 'string', default: '60' },
    cuts: { type: 'string', default: '500' },
    seed: { type: 'string', default: '1' },
    prepare: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const { signal } = stopOnSignals()

if (values.help) console.log(USAGE)
else if (values.prepare) downloadKernel()
else await main()

async function main() {
  const problem = machineProblem()
  if (problem !== undefined) {
    process.exitCode = 1
    if (values.json) console.log(JSON.stringify({ problem }))
    else console.error(problem)
    return
  }
  const folder = mkdtempSync(join(tmpdir(), 'sbr-powercut-'))
  try {
    const archive = buildArchive(folder)
    const runs = []
    for (const format of values.format) runs.push(await torment(folder, archive, Number(format)))
    if (values.json) console.log(JSON.stringify({ runs }))
    else runs.forEach(print)
    if (runs.some(({ broken, lie }) => broken !== undefined || lie === undefined)) {
      process.exitCode = 1
    }
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs a machine and cuts its power, once with the disk as it was, and once as if it had lied about flushes. */
async function torment(folder, archive, format) {
  const seed = Number(values.seed)
  const items = new Items(seed, Number(values.items), format)
  const seconds = Number(values.seconds)
  const settings = { format, items: items.count, seconds, seed }
  const { record, ...done } = await runMachine(folder, archive, settings, signal)
  const options = { format, items, seed, cuts: Number(values.cuts), signal }
  const { broken, ...counts } = await cutAll(record, options)
  const { broken: lie } = await cutAll(record, { ...options, lies: true })
  return { format, seed, ...done, ...counts, broken: explain(broken, format), lie: lie?.message }
}

/** Keeps what the disk held, because the next run does other things. */
function explain(broken, format) {
  if (broken === undefined) return undefined
  const { medium, entry, keep, message } = broken
  const path = join(tmpdir(), `sbr-powercut-format${format}-entry${entry}.img`)
  writeFileSync(path, medium)
  return `power cut after entry ${entry}, keeping ${keep} of what was not flushed (${path}): ${message}`
}

function print(run) {
  const { format, seed, pushed, advanced, laps, entries, flushes, cuts, disks, torn } = run
  console.log(
    `format ${format}, seed ${seed}: ${pushed} items pushed, ${advanced} acknowledged, around the ring ${laps} times, ` +
      `${entries} writes and flushes (${flushes}); ${cuts} power cuts, ${disks} disks, ${torn} of them torn`,
  )
  console.log(run.broken ?? 'every promise was kept')
  console.log(`if flushes came late: ${run.lie ?? 'NOTHING WAS FOUND'}`)
}
