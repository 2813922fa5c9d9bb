import { spanOfTime } from '../../text/render.ts'
import { bytesText, rateText } from '../answers.ts'
import { type Counter, type Point, rateBetween } from '../history.ts'
import { drawChart, type Series } from './chart.ts'
import type { Shape } from './shape.ts'

/** A rate is between points this far apart: two seconds, at two points a second. */
const APART = 4

/** Throughput, lag, age, and when each side last wrote: the last minutes of a ring. */
export function drawCharts(points: readonly Point[], width: number): readonly Shape[] {
  const rate = (name: string, what: Counter): Series => ({
    name,
    points: points.map((point, index) => {
      const before = points[Math.max(0, index - APART)] ?? point
      return [point.at, rateBetween(before, point, what) ?? null]
    }),
  })
  const level = (name: string, what: keyof Point): Series => ({
    name,
    points: points.map((point) => [point.at, point[what]]),
  })
  const counts = points.some(({ waiting }) => waiting !== null)
  const chart = (
    id: string,
    title: string,
    series: readonly Series[],
    show: (value: number) => string,
  ) => drawChart(series, { id, title, width, show })
  if (!counts) return [chart('chart-used', 'In use', [level('now', 'used')], bytesText)]
  return [
    chart(
      'chart-rate',
      'Items a second',
      [rate('in', 'pushed'), rate('out', 'acknowledged')],
      rateText,
    ),
    chart('chart-waiting', 'Waiting items', [level('now', 'waiting')], (value) =>
      value.toLocaleString('en-US'),
    ),
    chart('chart-age', 'Age of the oldest item', [level('now', 'age')], spanOfTime),
    chart('chart-commits', 'Commits a second', [rate('now', 'commits')], rateText),
    chart(
      'chart-wrote',
      'Last write ago',
      [level('producer', 'producerWriteAge'), level('consumer', 'consumerWriteAge')],
      spanOfTime,
    ),
    chart('chart-used', 'In use', [level('now', 'used')], bytesText),
  ]
}
