import { percent, safeText, spanOfTime } from '../../text/render.ts'
import { type Answer, answersOf, bytesText, type Mood, rateText } from '../answers.ts'
import type { History, Point } from '../history.ts'
import { rateBetween } from '../history.ts'
import { fillOfRing, isSeen, type Snapshot, waitedOf } from '../snapshot.ts'

/** A ring on the screen. */
export interface Shown {
  readonly snapshot: Snapshot
  readonly history: History
}

/** The columns by which rings are sorted, from left to right. */
export const SORTS = ['ring', 'waiting', 'oldest', 'in', 'out', 'full'] as const
export type Sort = (typeof SORTS)[number]

/** Options of drawing a screen. */
export interface ScreenView {
  readonly columns: number
  readonly rows: number
  readonly sort: Sort
  /** The ring that is shown in full, by its place on the screen. */
  readonly selected: number
  /** Colours a text. */
  readonly paint: (mood: Mood, text: string) => string
}

/** The widths of all columns but the first. */
const WIDTHS: Readonly<Record<string, number>> = {
  waiting: 11,
  oldest: 12,
  in: 10,
  out: 10,
  full: 8,
}
const SPARKS = '▁▂▃▄▅▆▇█'
const SPARK_COLUMNS = 12
const LEAST_NAME = 12
/** Points per character of a sparkline. */
const PER_SPARK = 4

/** The rings in the order of the screen. */
export function sorted(rings: readonly Shown[], sort: Sort): readonly Shown[] {
  const weightOf = ({ snapshot, history }: Shown): number => {
    if (!isSeen(snapshot)) return Number.POSITIVE_INFINITY
    const { pushed, acknowledged } = history.rates
    switch (sort) {
      case 'waiting':
        return snapshot.waitingItems ?? 0
      case 'oldest':
        return waitedOf(snapshot) ?? 0
      case 'in':
        return pushed ?? 0
      case 'out':
        return acknowledged ?? 0
      default:
        return fillOfRing(snapshot) ?? 0
    }
  }
  // Sorted by name means the order of the command line.
  return sort === 'ring' ? rings : rings.toSorted((a, b) => weightOf(b) - weightOf(a))
}

/** The lines of a screen: as many as fit, none longer than its width. */
export function screenLines(rings: readonly Shown[], view: ScreenView): readonly string[] {
  const { columns, rows, sort, selected, paint } = view
  const order = sorted(rings, sort)
  const one = order[selected]
  const answers = one === undefined ? [] : answersIn(one)
  const told = [
    ...(one === undefined ? [] : [fitted(one.snapshot.device, columns)]),
    ...answers.map(({ title, text, mood }) =>
      paint(mood, fitted(`${title.padEnd(9)} ${text}`, columns)),
    ),
  ]
  const room = Math.max(1, rows - 3 - told.length)
  // The selected ring is always visible.
  const from = Math.max(0, Math.min(selected - Math.floor(room / 2), order.length - room))
  const listed = order
    .slice(from, from + room)
    .map((ring, index) => rowOf(ring, view, from + index === selected))
  const keys = 'q leave  ←→ sort  ↑↓ ring'
  const head = `sbr top  ${rings.length} ${rings.length === 1 ? 'ring' : 'rings'}  by ${sort}  ${keys}`
  const lines = [fitted(head, columns), fitted(headings(view), columns), ...listed, '', ...told]
  return lines.slice(0, rows)
}

/** The answers, with what else to do where no page has a button for it. */
function answersIn({ snapshot, history }: Shown): readonly Answer[] {
  return answersOf(snapshot, history.rates).map((answer) =>
    answer.name === 'damage' && answer.mood === 'good'
      ? { ...answer, text: `${answer.text}; sbr verify reads the items too` }
      : answer,
  )
}

function nameColumns(columns: number): number {
  const rest = Object.values(WIDTHS).reduce((sum, width) => sum + width, 0)
  return Math.max(LEAST_NAME, columns - rest - SPARK_COLUMNS - 3)
}

function headings({ columns, sort }: ScreenView): string {
  const title = (name: string): string => (name === sort ? `*${name}` : name).toUpperCase()
  const cells = Object.entries(WIDTHS).map(([name, width]) => title(name).padStart(width))
  return `  ${title('ring').padEnd(nameColumns(columns))}${cells.join('')} IN`
}

function rowOf({ snapshot, history }: Shown, view: ScreenView, isSelected: boolean): string {
  const { columns, paint } = view
  const width = nameColumns(columns)
  const name = fitted(snapshot.device, width).padEnd(width)
  const mark = isSelected ? '>' : ' '
  const moods = answersOf(snapshot, history.rates)
  const isBad = moods.some(({ mood }) => mood === 'bad')
  if (!isSeen(snapshot)) {
    const { code } = snapshot.error
    return paint('bad', fitted(`${mark}!${name} ${code}`, columns))
  }
  const { pushed, acknowledged } = history.rates
  const rate = (value: number | undefined): string => (value === undefined ? '-' : rateText(value))
  const age = waitedOf(snapshot)
  const fill = fillOfRing(snapshot)
  const { waitingItems, log } = snapshot
  const cells = [
    waitingItems?.toLocaleString('en-US') ?? (log === undefined ? '?' : bytesText(log.used)),
    age === undefined ? '-' : spanOfTime(age),
    rate(pushed),
    rate(acknowledged),
    fill === undefined ? '?' : percent(fill),
  ].map((text, index) => text.padStart(Object.values(WIDTHS)[index] ?? 0))
  const line = `${mark}${isBad ? '!' : ' '}${name}${cells.join('')} ${sparkline(history.last(SPARK_COLUMNS * PER_SPARK + 1))}`
  return paint(isBad ? 'bad' : 'plain', fitted(line, columns))
}

/** The recent rate of pushed items, in a few characters. */
export function sparkline(points: readonly Point[]): string {
  const rates: number[] = []
  for (
    let end = points.length - 1;
    end >= PER_SPARK && rates.length < SPARK_COLUMNS;
    end -= PER_SPARK
  ) {
    const [first, last] = [points[end - PER_SPARK], points[end]]
    if (first === undefined || last === undefined) break
    const what = last.pushed === null ? 'used' : 'pushed'
    rates.unshift(Math.max(0, rateBetween(first, last, what) ?? 0))
  }
  const most = Math.max(...rates, 0)
  const level = (rate: number): number =>
    most === 0 ? 0 : Math.round((rate / most) * (SPARKS.length - 1))
  return rates.map((rate) => SPARKS[level(rate)] ?? '').join('')
}

/** Text on one line of this many columns. */
function fitted(text: string, columns: number): string {
  const characters = Array.from(safeText(text))
  if (characters.length <= columns) return characters.join('')
  return `${characters.slice(0, Math.max(0, columns - 1)).join('')}…`
}

/** A ring on one line, for output that is no terminal. */
export function plainLine({ snapshot, history }: Shown): string {
  const answers = answersIn({ snapshot, history })
  const text = answers.map(({ title, text: words }) => `${title.toLowerCase()}: ${words}`)
  return `${safeText(snapshot.device)}: ${text.join(' | ')}\n`
}
