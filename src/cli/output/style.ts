import { styleText } from 'node:util'
import { grouped, isoTime } from '../../text/render.ts'
import type { Output } from './output.ts'
import { wrap } from './wrap.ts'

/** The tone of a part of a report: all is well, needs attention, or a detail. */
export type Tone = 'good' | 'bad' | 'faint'

/** The style of numbers and times in a report, and its emphasis. */
export interface Style {
  /** The width of lines; infinite without a terminal. */
  readonly columns: number
  /** `6.7 MiB` for people, `7,012,352 bytes` exactly. */
  bytes(count: number): string
  /** A time, by a clock of a device: `4 min ago` for people, `at 2026-01-02T03:04:05.000Z` exactly. */
  when(ms: number): string
  /** A position as the ring's format writes it: for people, of format 2, the number of the item: `#99,954`. */
  position(text: string): string
  /** Colours a text, if standard output has colours; NO_COLOR and FORCE_COLOR are honoured. */
  paint(tone: Tone | undefined, text: string): string
}

/**
 * The style for this output: for people at a terminal, unless they ask for exact values; otherwise stable, for scripts.
 */
export function styleFor(
  { kind, columns }: Pick<Output, 'kind' | 'columns'>,
  exact = false,
): Style {
  const isTerminal = kind === 'terminal'
  return {
    ...(isTerminal && !exact ? HUMAN : EXACT),
    columns: isTerminal ? columns : Number.POSITIVE_INFINITY,
    paint: (tone, text) => (tone === undefined ? text : styleText(COLOURS[tone], text)),
  }
}

const COLOURS = { good: 'green', bad: 'red', faint: 'dim' } as const

/** Numbers in full. */
export const EXACT: Pick<Style, 'bytes' | 'when' | 'position'> = {
  bytes: (count) => `${grouped(count)} bytes`,
  when: (ms) => `at ${isoTime(ms)}`,
  position: (text) => text,
}

const HUMAN: Pick<Style, 'bytes' | 'when' | 'position'> = {
  bytes: humanBytes,
  when: (ms) => humanTime(ms, Date.now()),
  position: (text) => {
    const [, item] = /^\d+:(\d+)$/.exec(text) ?? []
    return item === undefined ? text : `#${grouped(BigInt(item))}`
  },
}

const UNITS = ['KiB', 'MiB', 'GiB', 'TiB', 'PiB'] as const

/** `512 bytes`, `6.7 MiB`. */
export function humanBytes(count: number): string {
  if (count < 1024) return `${count} byte${count === 1 ? '' : 's'}`
  let value = count
  let unit = ''
  for (const next of UNITS) {
    // A value that would be rounded to 1024.0 is one of the next unit.
    if (value < 1023.95) break
    value /= 1024
    unit = next
  }
  return `${Number(value.toFixed(1))} ${unit}`
}

const SPANS = [
  { name: 'd', ms: 86_400_000 },
  { name: 'h', ms: 3_600_000 },
  { name: 'min', ms: 60_000 },
  { name: 's', ms: 1000 },
] as const

/** `4 min ago`, `in 2 h` by a clock that is ahead, `just now`; an invalid time is written in full. */
export function humanTime(ms: number, now: number): string {
  const span = Math.abs(now - ms)
  const unit = SPANS.find((one) => span >= one.ms)
  if (Number.isNaN(new Date(ms).getTime())) return `at ${isoTime(ms)}`
  if (unit === undefined) return 'just now'
  const length = `${Math.floor(span / unit.ms)} ${unit.name}`
  return now >= ms ? `${length} ago` : `in ${length}`
}

/** A name, a value, and its tone. */
export type Row = readonly [name: string, value: string, tone?: Tone | undefined]

/** Names and values in two columns; a long value continues below its start. */
export function tableText(rows: readonly Row[], nameColumns: number, style: Style): string {
  return rows
    .map(([name, value, tone]) => {
      const start = `  ${style.paint('faint', name.padEnd(nameColumns))}  `
      const indent = nameColumns + 4
      const lines =
        style.columns === Number.POSITIVE_INFINITY
          ? `${' '.repeat(indent)}${value}\n`
          : wrap(value, style.columns, indent)
      return `${start}${style.paint(tone, lines.slice(indent, -1))}\n`
    })
    .join('')
}
