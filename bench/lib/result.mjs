// The outcome as plain data, which is what `--json` writes and what tables and charts are made of.
import { readFileSync, realpathSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** What one run found. */
export function resultOf({ rows, columns, folder, rounds, left }) {
  return {
    machine: machine(folder),
    rounds,
    columns: [
      ...columns.map(described),
      ...columns.filter(({ large, measure }) => measure && !large).map(costOf),
    ],
    contestants: rows.map(({ contestant, samples, flushes, problems }) => ({
      id: contestant.id,
      title: contestant.title,
      limit: contestant.limit === true,
      flushes,
      durable: flushes === undefined ? undefined : flushes.push >= 0.95 && flushes.take >= 0.95,
      problems,
      figures: Object.fromEntries(Object.entries(samples).map(([id, all]) => [id, summary(all)])),
    })),
    left,
  }
}

const described = ({ id, title, table }) => ({ id, title, table })

/** What of a column is the software's own. */
function costOf({ id, title, itemBytes }) {
  const table = `Processor time an item of ${itemBytes} bytes, in microseconds, servers not counted`
  return { id: `cpu ${id}`, title, table }
}

/** The median, and half the way from the least to the most as a share of it. */
function summary(samples) {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2
  return { median, spread: (sorted.at(-1) - sorted[0]) / 2 / median, samples }
}

function machine(folder) {
  const [cpu] = cpus()
  return {
    node: process.versions.node,
    system: `${process.platform} ${release()}`,
    cpus: `${cpus().length} x ${cpu?.model ?? 'unknown'}`,
    fileSystem: fileSystemOf(folder),
  }
}

/** Its type, as Linux mounted it. */
function fileSystemOf(folder) {
  try {
    const path = realpathSync(folder)
    const mounts = readFileSync('/proc/self/mounts', 'utf8').trim().split('\n')
    const holding = mounts
      .map((line) => line.split(' '))
      .filter(([, at]) => at === '/' || path === at || path.startsWith(`${at}/`))
    return holding.sort(([, a], [, b]) => b.length - a.length)[0]?.[2] ?? 'unknown'
  } catch {
    return 'unknown'
  }
}
