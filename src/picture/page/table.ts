import { percent, spanOfTime } from '../../text/render.ts'
import { answersOf, bytesText, fullInMs, leadOf, rateText } from '../answers.ts'
import type { History } from '../history.ts'
import { fillOfRing, isSeen, type Snapshot, waitedOf } from '../snapshot.ts'
import { element, setText } from './elements.ts'

/** A row of the table. */
interface Row {
  readonly snapshot: Snapshot
  readonly history: History
}

interface Cell {
  readonly text: string
  readonly css: string
}

/** The titles of the columns after the first, for rows that are shown as blocks. */
const TITLES = ['Waiting', 'Oldest', 'In, out', 'Full', 'Consumer', 'Damage']

const HOUR_MS = 3_600_000

/** The table of all rings. Its rows stay in place and only their texts change, so that focus and selection are kept. */
export class RingTable {
  readonly #body: HTMLTableSectionElement
  readonly #caption: Element

  constructor(section: HTMLElement) {
    const body = section.querySelector('tbody')
    const caption = section.querySelector('caption')
    if (body === null || caption === null) throw new Error('the page has no table')
    this.#body = body
    this.#caption = caption
  }

  show(rows: readonly Row[]): void {
    const urgent = rows.filter(({ snapshot, history }) =>
      answersOf(snapshot, history.rates).some(({ mood }) => mood === 'bad'),
    ).length
    setText(
      this.#caption,
      `${urgent === 0 ? 'No ring needs' : `${urgent} of ${rows.length} need`} a look.`,
    )
    while (this.#body.rows.length < rows.length) this.#add(this.#body.rows.length)
    for (const [index, row] of rows.entries()) {
      const { cells } = this.#body.rows[index] ?? {}
      const link = cells?.[0]?.firstElementChild
      if (cells === undefined || link == null) continue
      setText(link, row.snapshot.device)
      for (const [column, { text, css }] of cellsOf(row).entries()) {
        const cell = cells[column + 1]
        if (cell === undefined) continue
        setText(cell, text)
        if (cell.className !== css) cell.className = css
      }
    }
  }

  #add(index: number): void {
    const link = element('a', '')
    link.href = `#${index}`
    const cells = TITLES.map((title) => {
      const cell = element('td', '')
      cell.dataset['title'] = title
      return cell
    })
    this.#body.append(element('tr', '', element('td', '', link), ...cells))
  }
}

function cellsOf({ snapshot, history }: Row): readonly Cell[] {
  const { rates } = history
  const answers = answersOf(snapshot, rates)
  const damage = answers.find(({ name }) => name === 'damage')
  const isDamaged = damage?.mood === 'bad'
  const [where = ''] = (damage && leadOf(damage)) ?? []
  const damaged = {
    text: isSeen(snapshot) ? where : (damage?.text ?? ''),
    css: isDamaged ? 'bad' : '',
  }
  if (!isSeen(snapshot))
    return [...Array.from({ length: 5 }, () => ({ text: '', css: '' })), damaged]
  const { waitingItems, log } = snapshot
  const fill = fillOfRing(snapshot)
  const age = waitedOf(snapshot)
  const speed = [rates.pushed, rates.acknowledged].map((rate) =>
    rate === undefined ? '–' : rateText(rate),
  )
  const ms = fullInMs(snapshot, rates)
  const soon = ms !== undefined && ms < HOUR_MS && snapshot.ring?.onFull !== 'overwrite'
  const consumer = answers.find(({ name }) => name === 'consumer')
  const [who = ''] = (consumer && leadOf(consumer)) ?? []
  const whenFull = ms === 0 ? ', full' : `, full in ${spanOfTime(ms ?? 0)}`
  return [
    {
      text: waitingItems?.toLocaleString('en-US') ?? (log ? bytesText(log.used) : 'unknown'),
      css: '',
    },
    { text: age === undefined ? '–' : spanOfTime(age), css: '' },
    { text: speed.join(', '), css: '' },
    {
      text: `${fill === undefined ? 'unknown' : percent(fill)}${soon ? whenFull : ''}`,
      css: soon ? 'bad' : '',
    },
    { text: who, css: consumer?.mood === 'bad' ? 'bad' : '' },
    damaged,
  ]
}
