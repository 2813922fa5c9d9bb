import { machineText } from './machine.mjs'
import { ratioOf } from './result.mjs'
import { cell, markdown } from './table.mjs'

const HEAD = ['transfers a second', "fio's nbd engine", 'this client', 'of fio']

/** What `npm run bench:nbd` found. */
export function nbdText({ rows, rounds, machine, whole }) {
  const table = markdown([
    HEAD,
    ...rows.map(({ name, fio, ring }) => [
      name,
      cell(fio),
      cell(ring),
      ratioOf(ring, fio).toFixed(2),
    ]),
  ])
  const short = whole ? '' : 'A part, or a short run, which tells little. '
  return (
    `${table}\n\n${short}Random places of nbdkit's memory, a unix socket, one connection; x N: so many in flight. ` +
    `Medians of ${rounds} interleaved rounds, ± half the range. ${machineText(machine)}`
  )
}
