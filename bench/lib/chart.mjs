// A chart for the README: a panel for each column of one table, a bar for each of those compared.
import { ratiosOf } from './ratios.mjs'
import { compact } from './table.mjs'

const PANEL = { width: 420, gap: 24, title: 26, label: 150, value: 62 }
const BAR = { height: 16, pitch: 21 }
const PER_LINE = 2
const MARGIN = 16
const HEAD = 34

const STYLE = `
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .head { font-size: 15px; font-weight: 600 }
  .title { font-weight: 600 }
  .peer { fill: #9aa4af }
  .ring { fill: #1f6feb }
  .limit { fill: #d4d9df }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .peer { fill: #6e7681 }
    .ring { fill: #4493f8 }
    .limit { fill: #3d444d }
  }`

/** The chart of the first table that compares the ring with the device and with others, as SVG, or undefined. */
export function chartOf(result) {
  const compared = ratiosOf(result).map((row) => ({ row, column: columnOf(result, row.id) }))
  const [first] = compared
  if (first === undefined) return undefined
  const { table } = first.column
  const panels = compared
    .filter(({ column }) => column.table === table)
    .map(({ row, column }) => ({ column, bars: barsOf(row, result.contestants) }))
  const parts = [`<text class="head" x="${MARGIN}" y="${MARGIN + 8}">${escaped(table)}</text>`]
  let y = HEAD
  for (let at = 0; at < panels.length; at += PER_LINE) {
    const line = panels.slice(at, at + PER_LINE)
    line.forEach((panel, index) => {
      parts.push(drawPanel(panel, MARGIN + index * (PANEL.width + PANEL.gap), y))
    })
    const bars = Math.max(...line.map((panel) => panel.bars.length))
    y += PANEL.title + bars * BAR.pitch + PANEL.gap
  }
  const width = 2 * MARGIN + PER_LINE * PANEL.width + (PER_LINE - 1) * PANEL.gap
  const open = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img">`
  const title = '<title>Items a second: the device, the ring, and other queues</title>'
  return `${open}\n${title}\n<style>${STYLE}\n</style>\n${parts.join('\n')}\n</svg>\n`
}

function columnOf({ columns }, columnId) {
  return columns.find(({ id }) => id === columnId)
}

/** The device, the ring as the table of ratios has it, and all others. */
function barsOf({ id: columnId, device, fastest, nonBlocking }, contestants) {
  const shown = [device, fastest, nonBlocking]
  return contestants
    .filter(({ kind, figures }) => kind === 'peer' && figures[columnId] !== undefined)
    .concat(contestants.filter((each) => shown.includes(each)))
    .map(({ kind, short, figures }) => ({
      kind,
      label: labelOf(kind, short),
      value: figures[columnId].median,
    }))
    .sort((a, b) => b.value - a.value)
}

function labelOf(kind, short) {
  if (kind === 'limit') return `the device (${short})`
  return kind === 'ring' ? `ring (${short})` : short
}

function drawPanel({ column, bars }, x, y) {
  const most = Math.max(...bars.map(({ value }) => value))
  const room = PANEL.width - PANEL.label - PANEL.value
  const title = `<text class="title" x="${x}" y="${y + 16}">${escaped(column.title)}</text>`
  const rows = bars.map(({ label, kind, value }, index) => {
    const top = y + PANEL.title + index * BAR.pitch
    const base = top + 12
    const length = Math.max(1, (room * value) / most)
    const from = x + PANEL.label
    return (
      `<text x="${from - 8}" y="${base}" text-anchor="end">${escaped(label)}</text>` +
      `<rect class="${kind}" x="${from}" y="${top}" width="${length.toFixed(1)}" height="${BAR.height}" rx="2"/>` +
      `<text x="${(from + length + 6).toFixed(1)}" y="${base}">${compact(value)}</text>`
    )
  })
  return [title, ...rows].join('\n')
}

function escaped(text) {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)
}
