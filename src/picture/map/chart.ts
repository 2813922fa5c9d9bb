import { spanOfTime } from '../../text/render.ts'
import { type Shape, shape } from './shape.ts'

/** A line of a chart: its values by time; an unknown one leaves a gap. */
export interface Series {
  readonly name: string
  readonly points: readonly (readonly [at: number, value: number | null])[]
}

export interface ChartOptions {
  readonly id: string
  readonly title: string
  /** In pixels. */
  readonly width: number
  readonly show: (value: number) => string
}

const HEIGHT = 130
const TOP = 22
const BOTTOM = 18
/** As the lines are drawn. */
const LEGENDS = ['—', '- -'] as const
const STYLES = ['first', 'second'] as const

/** Draws values over time, with the last and the largest as text; two lines differ by more than their colour. */
export function drawChart(series: readonly Series[], options: ChartOptions): Shape {
  const { id, title, width, show } = options
  const all = series.flatMap(({ points }) => points)
  const values = all.flatMap(([, value]) => (value === null ? [] : [value]))
  const [from, to] = [all[0]?.[0] ?? 0, all.at(-1)?.[0] ?? 0]
  const begin = series.reduce((least, { points }) => Math.min(least, points[0]?.[0] ?? least), from)
  const most = values.reduce((max, value) => Math.max(max, value), 0)
  const x = (at: number): number => (to === begin ? 0 : ((at - begin) / (to - begin)) * width)
  const y = (value: number): number =>
    HEIGHT - BOTTOM - (most === 0 ? 0 : (value / most) * (HEIGHT - TOP - BOTTOM))
  const last = series.map(({ name, points }) => {
    const value = points.at(-1)?.[1]
    return `${name} ${value === null || value === undefined ? 'unknown' : show(value)}`
  })
  const span = to === begin ? '' : `the last ${spanOfTime(to - begin)}`
  return shape(
    'svg',
    {
      viewBox: `0 0 ${width} ${HEIGHT}`,
      class: 'chart',
      role: 'img',
      'aria-labelledby': `${id}-title ${id}-desc`,
    },
    shape('title', { id: `${id}-title` }, title),
    shape(
      'desc',
      { id: `${id}-desc` },
      `Now: ${last.join(', ')}. At most ${show(most)} in ${span}.`,
    ),
    shape(
      'text',
      { x: 0, y: 13, class: 'muted' },
      title,
      ...last.map((words, index) =>
        shape(
          'tspan',
          { class: 'value', dx: 10 },
          series.length === 1 ? words.replace('now ', '') : `${LEGENDS[index] ?? ''} ${words}`,
        ),
      ),
    ),
    shape('path', { class: 'axis', d: `M0 ${HEIGHT - BOTTOM}H${width}M0 ${TOP}H${width}` }),
    shape('path', { class: 'area', d: areaOf(series[0]?.points ?? [], x, y) }),
    ...series.map(({ points }, index) =>
      shape('path', { class: STYLES[index] ?? 'second', d: pathOf(points, x, y) }),
    ),
    shape('text', { x: 0, y: HEIGHT - 4, class: 'muted' }, span),
    shape(
      'text',
      { x: width, y: HEIGHT - 4, class: 'muted', 'text-anchor': 'end' },
      `max ${show(most)}`,
    ),
  )
}

function pathOf(
  points: Series['points'],
  x: (at: number) => number,
  y: (value: number) => number,
): string {
  let path = ''
  let isOpen = false
  for (const [at, value] of points) {
    if (value !== null) path += `${isOpen ? 'L' : 'M'}${x(at).toFixed(1)} ${y(value).toFixed(1)}`
    isOpen = value !== null
  }
  return path
}

/** The area between a line and the axis. */
function areaOf(...[points, x, y]: Parameters<typeof pathOf>): string {
  const runs: (typeof points)[] = []
  let run: [number, number | null][] = []
  for (const [at, value] of [...points, [0, null] as const]) {
    if (value !== null) run.push([at, value])
    else if (run.length > 0) {
      runs.push(run)
      run = []
    }
  }
  return runs
    .map((one) => {
      const [first, last] = [one[0]?.[0] ?? 0, one.at(-1)?.[0] ?? 0]
      return `${pathOf(one, x, y)}L${x(last).toFixed(1)} ${HEIGHT - BOTTOM}H${x(first).toFixed(1)}Z`
    })
    .join('')
}
