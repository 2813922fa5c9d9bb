// npm run bench:publish: takes over what the measurements of this folder found, and writes it into the documents: each
// block between <!-- measured: NAME --> and <!-- end -->, and the chart. No figure is typed by hand.
import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { backlogText } from './lib/backlog-table.mjs'
import { chartOf } from './lib/chart.mjs'
import { costText } from './lib/cost-table.mjs'
import { RESULTS } from './lib/files.mjs'
import { nbdText } from './lib/nbd-table.mjs'
import { throughputHeadline, throughputSummary, throughputText } from './lib/throughput.mjs'
import { wakeText } from './lib/wake-table.mjs'

const USAGE = `npm run bench:publish [-- OPTIONS]
  --from FOLDER    where results are (default: bench/results); those that are not there stay as published before
  --to FOLDER      the repository whose documents are written (default: this one)
  --short          take over parts and short runs, too
  --check          write nothing; fail if a document differs from what was published`

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PUBLISHED = 'bench/published'
const CHART = 'docs/benchmarks.svg'
const BLOCKS = [
  { name: 'headline', result: 'throughput', document: 'README.md', textOf: throughputHeadline },
  {
    name: 'throughput',
    result: 'throughput',
    document: 'docs/measured.md',
    textOf: summaryWithChart,
  },
  { name: 'tables', result: 'throughput', document: 'docs/benchmarks.md', textOf: throughputText },
  { name: 'wake', result: 'wake', document: 'docs/measured.md', textOf: wakeText },
  { name: 'backlog', result: 'backlog', document: 'docs/measured.md', textOf: backlogText },
  { name: 'cost', result: 'cost', document: 'docs/benchmarks.md', textOf: costText },
  { name: 'nbd', result: 'nbd', document: 'docs/nbd.md', textOf: nbdText },
]
const RESULT_NAMES = [...new Set(BLOCKS.map(({ result }) => result))]

const { values } = parseArgs({
  options: {
    from: { type: 'string', default: RESULTS },
    to: { type: 'string', default: ROOT },
    short: { type: 'boolean', default: false },
    check: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  },
})

if (values.help) console.log(USAGE)
else if (values.check) await check()
else await publish()

async function publish() {
  const results = await newResults()
  const parts = [...results].filter(([, text]) => !JSON.parse(text).whole)
  if (parts.length > 0 && !values.short) {
    const names = parts.map(([name]) => `${name}.json`).join(', ')
    console.error(
      `${names} in ${values.from}: a part, or a short run; --short takes it all the same`,
    )
    process.exitCode = 1
    return
  }
  await mkdir(join(values.to, PUBLISHED), { recursive: true })
  for (const [name, text] of results) {
    await writeFile(join(values.to, PUBLISHED, `${name}.json`), text)
  }
  for (const [document, { now, expected }] of await documents()) {
    if (now === expected) continue
    await writeFile(join(values.to, document), expected)
    console.log(`Written: ${document}`)
  }
}

/** The text of each result that is there, by its name. */
async function newResults() {
  const texts = new Map()
  for (const name of RESULT_NAMES) {
    const path = join(values.from, `${name}.json`)
    if (existsSync(path)) texts.set(name, await readFile(path, 'utf8'))
  }
  return texts
}

async function check() {
  for (const [document, { now, expected }] of await documents()) {
    if (now === expected) continue
    console.error(`${document} is not what npm run bench:publish writes`)
    process.exitCode = 1
  }
}

/** Of each document, and of the chart: the text that is there, and the one that should be. */
async function documents() {
  const all = new Map()
  for (const { name, result, document, textOf } of BLOCKS) {
    if (!all.has(document)) {
      const now = await readFile(join(values.to, document), 'utf8')
      all.set(document, { now, expected: now })
    }
    const found = await published(result)
    const entry = all.get(document)
    const replaced = withBlock(entry.expected, name, found && textOf(found))
    if (replaced === undefined) throw new Error(`${document} has no place for "${name}"`)
    entry.expected = replaced
  }
  const found = await published('throughput')
  if (found !== undefined) {
    const path = join(values.to, CHART)
    const now = existsSync(path) ? await readFile(path, 'utf8') : undefined
    all.set(CHART, { now, expected: chartOf(found) ?? '' })
  }
  return all
}

async function published(name) {
  const path = join(values.to, PUBLISHED, `${name}.json`)
  return existsSync(path) ? JSON.parse(await readFile(path, 'utf8')) : undefined
}

/** The document with a block filled in, or as it is where nothing is to be; undefined if it has no such block. */
function withBlock(document, name, text) {
  const begin = `<!-- measured: ${name} -->\n`
  const from = document.indexOf(begin)
  const to = document.indexOf('<!-- end -->', from)
  if (from < 0 || to < 0) return undefined
  if (text === undefined) return document
  return `${document.slice(0, from + begin.length)}\n${text}\n\n${document.slice(to)}`
}

function summaryWithChart(result) {
  const chart = `![Items a second of the device, the ring and other queues](${basename(CHART)})`
  return `${chart}\n\n${throughputSummary(result)}`
}
