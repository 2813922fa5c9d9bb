import type { Finding, RingReport } from '../../ring/report/finding.ts'
import type { RepairReport } from '../../ring/report/repair.ts'
import { counted, grouped, safeText, spanOf } from './render.ts'

/** The findings of a ring as text. */
export function verifyText(path: string, report: RingReport): string {
  const { findings, moreFindings, log } = report
  const counts =
    log === undefined
      ? 'The log was not checked.\n'
      : `Checked ${counted(log.blocks, 'block')} in use${batches(report)}: ${counted(log.items, 'item')} that ` +
        `wait, ${counted(log.bytes, 'byte')}. Not checked: ${counted(log.freeBlocks, 'free block')}.\n`
  return `${safeText(path)}: ${verdict(report)}\n${findings.map(findingText).join('')}${moreText(moreFindings)}${counts}`
}

/** The same in a few words. */
export function verdict({ format, sound, damagedItems }: RingReport): string {
  if (sound) return `a sound ring of format ${format}`
  const lost = damagedItems === 0 ? '' : `; ${counted(damagedItems, 'item')} cannot be read`
  return `a damaged ring of format ${format}${lost}`
}

/** The actions of a repair as text. */
export function repairText(
  path: string,
  { written, actions, left, moreLeft }: RepairReport,
): string {
  const what =
    actions.length === 0
      ? nothing(left.length)
      : `${written ? 'repaired' : 'would be repaired with --write'}: ${counted(actions.length, 'block')}`
  const lines = actions.map(({ offset, structure, action, cost }) => {
    const costs = cost === undefined ? '' : `           ${cost}\n`
    return `  ${location(offset)}  ${structure}: ${action}\n${safe(costs)}`
  })
  const stay = left.length + moreLeft
  const rest = stay === 0 ? '' : `${counted(stay, 'finding')} ${stay === 1 ? 'stays' : 'stay'}:\n`
  return `${safeText(path)}: ${what}\n${lines.join('')}${rest}${left.map(findingText).join('')}${moreText(moreLeft)}`
}

function moreText(more: number): string {
  return more === 0 ? '' : `  and ${grouped(more)} more\n`
}

function nothing(left: number): string {
  return left === 0 ? 'there is nothing to repair' : 'nothing of it can be repaired'
}

function batches({ format, log }: RingReport): string {
  return format === 1 || log === undefined ? '' : `, ${counted(log.batches, 'sound batch', 'es')}`
}

function findingText({
  severity,
  offset,
  structure,
  problem,
  sequence,
  items,
  advice,
}: Finding): string {
  const span =
    sequence && `${spanOf(`items ${sequence.first} to ${sequence.last}`)}, counted from 0`
  const lost = items === undefined || items === 0 ? [] : [`${counted(items, 'item')} lost`]
  const details = [...(span === undefined ? [] : [span]), ...lost, advice].join('; ')
  return safe(
    `  ${location(offset)}  ${severity}: ${structure}: ${problem}\n           ${details}\n`,
  )
}

function location(offset: number): string {
  return `byte ${grouped(offset)}`
}

/** The lines are ours, but their parts may come from a device. */
function safe(lines: string): string {
  return lines.split('\n').map(safeText).join('\n')
}
