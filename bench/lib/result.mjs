// The outcome as plain data, which is what is written as JSON, and what tables and charts are made of.
import { machineOf } from './machine.mjs'

/** What one run found. `whole` is whether it was all of it, and long enough to be shown to others. */
export function resultOf({ rows, columns, folder, rounds, left, whole }) {
  return {
    whole,
    machine: machineOf(folder),
    rounds,
    columns: [
      ...columns.map(described),
      ...columns.filter(({ large, measure }) => measure && !large).map(costOf),
    ],
    contestants: rows.map(({ contestant, samples, flushes, problems }) => ({
      id: contestant.id,
      title: contestant.title,
      short: contestant.short,
      kind: contestant.kind ?? 'peer',
      engine: contestant.engine,
      flushes,
      durable: flushes && Object.values(flushes).every((count) => count >= 0.95),
      problems,
      figures: Object.fromEntries(Object.entries(samples).map(([id, all]) => [id, summary(all)])),
    })),
    left,
  }
}

const described = ({ id, title, table, label }) => ({ id, title, table, label })

/** What of a column is the software's own. */
function costOf({ id, title, itemBytes }) {
  const table = `Processor time an item of ${itemBytes} bytes, in microseconds, servers not counted`
  return { id: `cpu ${id}`, title, table, cost: true }
}

/** The median, and half the way from the least to the most as a share of it. */
export function summary(samples) {
  const middle = median(samples)
  const range = Math.max(...samples) - Math.min(...samples)
  return { median: middle, spread: range / 2 / middle, samples }
}

/** How many times as much one figure is as another: the median over the rounds, each of which measured both. */
export function ratioOf(figure, to) {
  const rounds = Math.min(figure.samples.length, to.samples.length)
  return median(
    Array.from({ length: rounds }, (_, round) => figure.samples[round] / to.samples[round]),
  )
}

/** What so large a share of the samples is at most. */
export function quantile(samples, share) {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]
}

function median(samples) {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return (sorted[Math.floor(middle)] + sorted[Math.ceil(middle)]) / 2
}
