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

const OVERLAP_HEAD = [
  'a batch, in microseconds',
  'its write alone',
  'made alone',
  'one after the other',
  'made while another is written',
  'saved',
]

/** What `npm run bench:cost` found. */
export function costText({ rows, overlaps, rounds, machine, whole }) {
  const commits = rows.map((row) => [
    row.name,
    cell(row.whole),
    cell(row.calls),
    cell(row.alone),
    `${ratioOf(row.whole, row.alone).toFixed(2)} x`,
    cell(row.memory),
  ])
  const batches = overlaps.map(({ name, write, make, inTurn, together }) => [
    name,
    cell(write),
    cell(make),
    cell(inTurn),
    cell(together),
    `${Math.round(100 * (1 - ratioOf(together, inTurn)))} %`,
  ])
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return [
    ...titled(
      HEAD,
      commits,
      'The last column is the same work on a ring in memory, without its calls of the device.',
    ),
    ...titled(
      OVERLAP_HEAD,
      batches,
      'Batches that are copied from items of 4 KiB, checksummed, and written durably by a call that does not block. What is ' +
        'saved is compared within each round.',
    ),
    `${short}Medians of ${rounds} interleaved rounds, ± half the range. ${machineText(machine)}`,
  ].join('\n\n')
}

/** A table, and what it says; nothing without rows. */
function titled(head, rows, text) {
  return rows.length === 0 ? [] : [markdown([head, ...rows]), text]
}
