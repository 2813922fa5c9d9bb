// The ring against the device and against the best of the others, column by column.
import { ratioOf } from './result.mjs'
import { cell, markdown } from './table.mjs'

const HEAD = [
  'items/s',
  'device',
  'ring, fastest',
  'of the device',
  'ring, never blocking',
  'of the device',
  'best of the others',
  'ring to it',
]

/**
 * For each column with a figure of the device, of the ring and of another queue: the figures and their ratios. The
 * device is what fio found, where it is installed. `fastest` is the ring's best row, whatever its engine;
 * `nonBlocking` the best of those that never block the event loop.
 */
export function ratiosOf({ columns, contestants }) {
  return columns
    .filter(({ label }) => label !== undefined)
    .flatMap(({ id, label }) => {
      const having = contestants.filter(({ figures }) => figures[id] !== undefined)
      const ring = having.filter(({ id: name }) => name.startsWith('format-2'))
      const device = having.find(({ kind }) => kind === 'limit')
      const fastest = best(ring, id)
      const nonBlocking = best(
        ring.filter(({ engine }) => engine === 'pool'),
        id,
      )
      const peer = best(
        having.filter(({ kind }) => kind === 'peer'),
        id,
      )
      const all = { device, fastest, nonBlocking, peer }
      return Object.values(all).includes(undefined) ? [] : [{ id, label, ...all }]
    })
}

/** The same as a table, or undefined if there is nothing to compare; `only` names the columns it takes. */
export function ratioTable(result, only = result.columns.map(({ id }) => id)) {
  const compared = ratiosOf(result).filter(({ id }) => only.includes(id))
  const rows = compared.map(({ id, label, device, fastest, nonBlocking, peer }) => {
    const figure = (contestant) => contestant.figures[id]
    const named = (contestant) => `${cell(figure(contestant))} (${contestant.short})`
    const ratio = (of, to) => ratioOf(figure(of), figure(to)).toFixed(2)
    return [
      label,
      cell(figure(device)),
      named(fastest),
      ratio(fastest, device),
      named(nonBlocking),
      ratio(nonBlocking, device),
      named(peer),
      `${ratio(fastest, peer)} x`,
    ]
  })
  return rows.length > 0 ? markdown([HEAD, ...rows]) : undefined
}

function best(contestants, columnId) {
  const value = ({ figures }) => figures[columnId].median
  return contestants.reduce(
    (most, each) => (most === undefined || value(each) > value(most) ? each : most),
    undefined,
  )
}
