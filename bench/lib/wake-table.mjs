import { machineText } from './machine.mjs'
import { markdown } from './table.mjs'

const HEAD = [
  'device',
  'waiting',
  'durable write',
  'push to receipt, busy',
  'in durable writes',
  'sparse',
  'idle',
]

/** What `npm run bench:wake` found. */
export function wakeText({ rows, machine, whole }) {
  const table = markdown([
    HEAD,
    ...rows.map(({ device, wait, write, busy, sparse, idle }) => [
      device,
      wait,
      cell(write),
      cell(busy),
      (busy.median / write.median).toFixed(1),
      cell(sparse),
      `${(100 * idle).toFixed(2)} % of a core`,
    ]),
  ])
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return (
    `${table}\n\n${short}Milliseconds, median / 99 %; a push every 2 to 5 ms (busy) or every 400 to 700 ms (sparse); ` +
    `durable writes of 4 KiB at the busy pace. ${machineText(machine)}`
  )
}

function cell({ median, p99 }) {
  return `${median.toFixed(2)} / ${p99.toFixed(2)}`
}
