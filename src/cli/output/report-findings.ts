import type { Finding, RingReport } from '../../ring/report/finding.ts'
import type { RepairReport } from '../../ring/report/repair.ts'
import { counted, grouped, safeText, spanOf } from '../../text/render.ts'
import { shellWord } from '../../util/shell-word.ts'
import type { Style } from './style.ts'

/** The findings of a ring as text. */
export function verifyText(
  path: string,
  report: RingReport,
  { paint }: Pick<Style, 'paint'>,
): string {
  const { findings, moreFindings, log } = report
  const counts =
    log === undefined
      ? 'The log was not checked.\n'
      : `Checked ${counted(log.blocks, 'block')} in use${batches(report)}: ${counted(log.items, 'item')} waiting, ` +
        `${counted(log.bytes, 'byte')}. Not checked: ${counted(log.freeBlocks, 'free block')}.\n`
  const says = paint(report.sound ? 'good' : 'bad', verdict(report))
  return `${safeText(path)}: ${says}\n${findingsText(path, findings)}${moreText(moreFindings)}${counts}`
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
  return `${safeText(path)}: ${what}\n${lines.join('')}${rest}${findingsText(path, left)}${moreText(moreLeft)}`
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

/** A finding, and those after it that differ only in their place. */
interface Alike {
  readonly first: Finding
  last: Finding
  places: number
  items: number
}

/** The findings as text: those of one kind, as many items of a damaged batch are, together. */
function findingsText(path: string, findings: readonly Finding[]): string {
  const groups: Alike[] = []
  for (const finding of findings) {
    const group = groups.at(-1)
    const { items = 0 } = finding
    if (group !== undefined && isAlike(group.first, finding)) {
      group.last = finding
      group.places++
      group.items += items
    } else {
      groups.push({ first: finding, last: finding, places: 1, items })
    }
  }
  return groups.map((group) => alikeText(path, group)).join('')
}

function isAlike(one: Finding, other: Finding): boolean {
  return (['severity', 'structure', 'problem', 'advice'] as const).every(
    (name) => one[name] === other[name],
  )
}

function alikeText(path: string, { first, last, places, items }: Alike): string {
  const { severity, structure, problem, advice } = first
  const [from, to] = [first.numbers?.first, last.numbers?.last]
  const all = `items ${from} to ${to}`
  const span = from === undefined ? [] : [places === 1 ? spanOf(all) : `among ${all}`]
  const lost = items === 0 ? [] : [`${counted(items, 'item')} lost`]
  const where =
    places === 1
      ? location(first.offset)
      : `${counted(places, 'place')} from ${location(first.offset)} to ${location(last.offset)}`
  const details = [...span, ...lost, withDevice(path, advice)].join('; ')
  return safe(`  ${where}  ${severity}: ${structure}: ${problem}\n           ${details}\n`)
}

/** Advice with commands as they are typed. */
function withDevice(path: string, advice: string): string {
  const word = shellWord(path)
  return advice.replaceAll(
    /\bsbr (consume|repair) (?=--)/g,
    (_, command) => `sbr ${command} ${word} `,
  )
}

function location(offset: number): string {
  return `byte ${grouped(offset)}`
}

/** Makes lines safe: parts of them may come from a device. */
function safe(lines: string): string {
  return lines.split('\n').map(safeText).join('\n')
}
