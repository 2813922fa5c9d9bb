// What `npm run bench` found, as text.
import { LATENCY_TABLE } from './columns.mjs'
import { machineText } from './machine.mjs'
import { ratioTable } from './ratios.mjs'
import { figureTable } from './table.mjs'

/** Everything: the ratios, then all tables. */
export function throughputText(result) {
  const tables = new Map(result.columns.map(({ table, cost }) => [table, { durability: !cost }]))
  const ratios = ratioTable(result)
  return [
    ...(ratios === undefined ? [] : [`The ring, the device and the others\n\n${ratios}`]),
    ...[...tables].map(([table, shown]) => `${table}\n\n${figureTable(result, table, shown)}`),
    ...result.left.map(({ id, why }) => `Left out: ${id}, because ${why}.`),
    ...result.contestants.flatMap(({ id, problems }) =>
      problems.map((problem) => `Failed: ${id}, ${problem}`),
    ),
    footOf(result),
  ].join('\n\n')
}

/** The one row that the README shows. */
export function throughputHeadline(result) {
  return ratioTable(result, ['100B/64']) ?? 'Nothing was compared.'
}

/** The summary: the ratios, and the latency from push to receipt. */
export function throughputSummary(result) {
  const latency = result.columns.some(({ table }) => table === LATENCY_TABLE)
  return [
    ratioTable(result) ?? 'Nothing was compared.',
    ...(latency
      ? [`${LATENCY_TABLE}:`, figureTable(result, LATENCY_TABLE, { durability: true })]
      : []),
    footOf(result),
  ].join('\n\n')
}

function footOf({ machine, rounds, whole }) {
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return (
    `${short}Medians of ${rounds} interleaved rounds, ± half the range; ratios are medians over the rounds. Flushes, ` +
    `and writes that flush, are counted with strace, for each durable push and each take. ${machineText(machine)}`
  )
}
