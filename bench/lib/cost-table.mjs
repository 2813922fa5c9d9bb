import { machineText } from './machine.mjs'
import { ratioOf } from './result.mjs'
import { cell, markdown } from './table.mjs'

const HEAD = [
  'a commit, in microseconds',
  'in all',
  'of that, calls of the device',
  'the same calls alone',
  'in all to alone',
  'the rest, without a device',
]

/** What `npm run bench:cost` found. */
export function costText({ rows, rounds, machine, whole }) {
  const table = markdown([
    HEAD,
    ...rows.map((row) => [
      row.name,
      cell(row.whole),
      cell(row.calls),
      cell(row.alone),
      `${ratioOf(row.whole, row.alone).toFixed(2)} x`,
      cell(row.memory),
    ]),
  ])
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return (
    `${table}\n\n${short}The last column is the same work on a ring in memory, without its calls of the device. ` +
    `Medians of ${rounds} interleaved rounds, ± half the range. ${machineText(machine)}`
  )
}
