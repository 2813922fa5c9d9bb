// npm run bench: measures format 2, format 1, what the device can do, and other durable queues, all in one run on one
// file system.
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import { chartOf } from './lib/chart.mjs'
import { COLUMNS } from './lib/columns.mjs'
import { contestantIds, loadContestant, problemOf } from './lib/contestants.mjs'
import { RESULTS, writeResult } from './lib/files.mjs'
import { resultOf } from './lib/result.mjs'
import { runAll } from './lib/run.mjs'
import { throughputText } from './lib/throughput.mjs'

const USAGE = `npm run bench [-- OPTIONS]
  --only NAME      a row or a column, by a part of its name; may be repeated
  --rounds N       how often everything is measured (default 4)
  --minutes N      do not begin a round that would take longer than that in all (default 12)
  --ms N           how long a measurement takes, in milliseconds (default 200)
  --quick          one short round, within two minutes
  --dir FOLDER     where to measure; what matters is its file system (default: that of temporary files)
  --out FOLDER     where to write throughput.json, with all samples, and throughput.svg (default: bench/results);
                   partial.json and partial.svg with --only or --quick
  --dist FOLDER    measure another build of the package
  --list           print the names of rows and columns
  --no-install     do not install the other queues: leave out those that are missing
On a machine that does other work too, as root: chrt --rr 10 npm run bench`

const options = {
  only: { type: 'string', multiple: true, default: [] },
  rounds: { type: 'string', default: '4' },
  minutes: { type: 'string', default: '12' },
  ms: { type: 'string', default: '200' },
  quick: { type: 'boolean', default: false },
  dir: { type: 'string', default: tmpdir() },
  out: { type: 'string', default: RESULTS },
  dist: { type: 'string' },
  list: { type: 'boolean', default: false },
  'no-install': { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h', default: false },
}

const { values } = parse()
if (values.help) {
  console.log(USAGE)
} else if (values.list) {
  console.log(`Rows:\n  ${contestantIds().join('\n  ')}`)
  console.log(`Columns:\n  ${COLUMNS.map(({ id }) => id).join('\n  ')}`)
} else {
  await main()
}

function parse() {
  try {
    return parseArgs({ options })
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`)
    return process.exit(2)
  }
}

async function main() {
  if (values.dist !== undefined) {
    process.env.SBR_BENCH_DIST = pathToFileURL(`${resolve(values.dist)}/`).href
  }
  const extent = values.quick
    ? { rounds: 1, ms: 50, messages: 30, maxMs: 0 }
    : {
        rounds: wholeNumber('rounds'),
        ms: wholeNumber('ms'),
        messages: 200,
        maxMs: 60_000 * wholeNumber('minutes'),
      }
  const { ids, columns } = chosen(values.only)
  if (!values['no-install']) install()
  const { contestants, left } = await present(ids)
  const folder = await mkdtemp(join(values.dir, 'sbr-bench-'))
  const onProgress = (text) => process.stderr.write(`${text}\n`)
  try {
    const { rows, rounds } = await runAll({ contestants, columns, folder, onProgress, ...extent })
    const whole = !values.quick && values.only.length === 0
    const result = resultOf({ rows, columns, folder, rounds, left, whole })
    console.log(throughputText(result))
    const name = whole ? 'throughput' : 'partial'
    onProgress(`Written: ${await writeResult(values.out, name, result, chartOf(result))}`)
    if (
      result.contestants.some(({ problems, durable }) => problems.length > 0 || durable === false)
    ) {
      process.exitCode = 1
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function wholeNumber(name) {
  const number = Number(values[name])
  if (Number.isSafeInteger(number) && number > 0) return number
  console.error(`--${name}: expected a whole number from 1, found ${values[name]}`)
  return process.exit(2)
}

/** Rows and columns that were asked for. A name that is exactly one of them means only that. */
function chosen(names) {
  const allIds = contestantIds()
  const unknown = names.filter(
    (name) => matching(allIds, [name]).length === 0 && ofColumns([name]).length === 0,
  )
  if (unknown.length > 0) {
    console.error(`--only: there is no row or column named ${unknown.join(', ')}; see --list`)
    process.exit(2)
  }
  const ids = matching(allIds, names)
  const columns = ofColumns(names)
  return {
    ids: ids.length > 0 ? ids : allIds,
    columns: columns.length > 0 ? columns : COLUMNS,
  }
}

function ofColumns(names) {
  const ids = matching(
    COLUMNS.map(({ id }) => id),
    names,
  )
  return COLUMNS.filter(({ id }) => ids.includes(id))
}

function matching(all, names) {
  return all.filter((id) =>
    names.some((name) => (all.includes(name) ? id === name : id.includes(name))),
  )
}

/** The other queues are a package of their own, so that nobody installs them who does not compare. */
function install() {
  const cwd = fileURLToPath(new URL('.', import.meta.url))
  if (existsSync(join(cwd, 'node_modules/.package-lock.json'))) return
  console.error(
    'Installing the other queues into bench/; what has to be compiled can take minutes:',
  )
  const flags = ['--ignore-scripts=false', '--foreground-scripts']
  const { status } = spawnSync('npm', ['ci', ...flags], { cwd, stdio: 'inherit' })
  if (status !== 0) console.error('The other queues could not be installed; they are left out.')
}

async function present(ids) {
  const contestants = []
  const left = []
  for (const id of ids) {
    const contestant = await loadContestant(id)
    const why = await problemOf(contestant)
    if (why === undefined) contestants.push(contestant)
    else left.push({ id, why })
  }
  return { contestants, left }
}
