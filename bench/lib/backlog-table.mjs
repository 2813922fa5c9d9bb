import { machineText } from './machine.mjs'
import { compact, markdown } from './table.mjs'

const ATTACH_HEAD = [
  'items that wait',
  'consumer attached',
  'first item',
  'producer attached',
  'memory then',
  'all taken',
  'most memory',
]
const COST_HEAD = [
  'ring',
  'push, one at a time',
  'take, one at a time',
  'push, 1000 a batch',
  'take, 100 at a time',
]

/** What `npm run bench:backlog` found. */
export function backlogText({ items, attach, cost, rounds, machine, whole }) {
  const attachTable = markdown([
    ATTACH_HEAD,
    ...attach.map(({ direct, ...row }) => [
      `${items.toLocaleString('en')}, ${direct ? 'read from the disk' : 'page cache'}`,
      cell(row.consumerMs, 'ms'),
      cell(row.firstItemMs, 'ms'),
      cell(row.producerMs, 'ms'),
      memory(row.attachedRss),
      cell(row.drainUs, 'us an item'),
      memory(row.peakRss),
    ]),
  ])
  const costTable = markdown([
    COST_HEAD,
    ...cost.map(({ name, push, take, pushBatch, takeMany }) => [
      name,
      ...[push, take, pushBatch, takeMany].map((figure) => cell(figure, 'us')),
    ]),
  ])
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return [
    ...(attach.length > 0 ? [attachTable] : []),
    ...(cost.length > 0 ? [`What an item of 100 B costs, durable:`, costTable] : []),
    `${short}Memory is that of the whole process. Medians of ${rounds} interleaved rounds, ± half the range. ` +
      machineText(machine),
  ].join('\n\n')
}

function cell(figure, unit) {
  if (figure === undefined) return ''
  return `${compact(figure.median)} ${unit} ±${Math.round(figure.spread * 100)} %`
}

function memory(figure) {
  return figure === undefined ? '' : `${Math.round(figure.median / 1e6)} MB`
}
