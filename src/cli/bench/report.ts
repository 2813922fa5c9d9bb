import { grouped, safeText } from '../../text/render.ts'
import type { OpenedDevice } from '../device/device.ts'
import type { Holding } from '../device/device-content.ts'
import type { RingFigure } from './ring.ts'
import type { Pace } from './timing.ts'
import type { Transfers } from './transfers.ts'

const KIB = 1 << 10
const MIB = 1 << 20
const RING_BLOCK_BYTES = 4 * KIB

/** The measurements of a ring; for a file, with one of the engines. */
export interface RingReport {
  readonly engine?: string
  readonly figures: readonly RingFigure[]
}

/** The result of `sbr bench`. */
export interface BenchReport {
  readonly device: string
  /** The figure that was measured. */
  readonly measured: 'temporary file' | 'blank device' | 'reads only'
  /** The reason why nothing was written; absent if something was. */
  readonly reason?: string
  /** The device's content, if it existed before. */
  readonly holds?: Holding
  /** Bytes that were read and written. */
  readonly sizeBytes: number
  /** Of a file: whether it bypassed the page cache. */
  readonly direct?: boolean
  readonly durability: OpenedDevice['durability']
  readonly reads: Transfers
  /** Durable ones; none if nothing was written. */
  readonly writes: Transfers
  /** None if nothing was written. */
  readonly rings: readonly RingReport[]
}

/** The same as text. */
export function benchText(report: BenchReport): string {
  const { device, direct, durability, reads, writes, rings } = report
  const lines = [
    `${safeText(device)}: ${measuredText(report)}`,
    '',
    row(`one at a time, ${wayOf(direct)}`, 'a second', 'median', '99 %', 'MB/s'),
    ...reads.map((pace) => transferRow('read', pace)),
    ...writes.map((pace) => transferRow(`durable write (${durability})`, pace)),
    ...rings.flatMap((ring) => ringLines(ring, writes)),
    ...adviceLines(report),
  ]
  return lines.map((line) => `${line.trimEnd()}\n`).join('')
}

function wayOf(direct: boolean | undefined): string {
  if (direct === undefined) return 'through a server'
  return direct ? 'past the page cache' : 'through the page cache'
}

function measuredText({ measured, sizeBytes }: BenchReport): string {
  switch (measured) {
    case 'temporary file':
      return `a temporary file of ${grouped(sizeBytes)} bytes, which is removed`
    case 'blank device':
      return `${grouped(sizeBytes)} bytes of it, which are zeroes again`
    case 'reads only':
      return `reads only, of ${grouped(sizeBytes)} bytes`
  }
}

function transferRow(what: string, pace: Pace & { readonly bytes: number }): string {
  const { bytes, perSecond } = pace
  const size = bytes < MIB ? `${bytes / KIB} KiB` : `${bytes / MIB} MiB`
  return paceRow(`${what}, ${size}`, perSecond, pace, number((perSecond * bytes) / 1e6))
}

/** Commits of one small item are a block each: they compare with durable writes of that size. */
function ringLines({ engine, figures }: RingReport, writes: Transfers): readonly string[] {
  const write = writes.find(({ bytes }) => bytes === RING_BLOCK_BYTES)
  const [first] = figures
  const by = engine === undefined ? '' : `, engine ${engine}`
  const title = `ring, ${first?.itemBytes ?? 0}-byte items${by}`
  const rows = figures.map((figure) => {
    const { what, items, itemsPerSecond } = figure
    const each = items === 1 ? 'one at a time' : `${grouped(items)} a commit`
    return paceRow(
      `${what === 'push' ? 'push' : 'take and acknowledge'}, ${each}`,
      itemsPerSecond,
      figure,
      items === 1 && write !== undefined ? (figure.perSecond / write.perSecond).toFixed(2) : '',
    )
  })
  return ['', row(title, 'items/s', 'median', '99 %', 'of a write'), ...rows]
}

function adviceLines({ reason }: BenchReport): readonly string[] {
  if (reason === undefined) return []
  return [
    '',
    `Nothing was written, because ${safeText(reason)}. To measure writes: sbr bench FOLDER, for a file system; or`,
    'sbr bench DEVICE with a blank partition or volume on the same disk.',
  ]
}

function paceRow(what: string, perSecond: number, pace: Pace, last: string): string {
  return row(what, number(perSecond), micros(pace.medianUs), micros(pace.p99Us), last)
}

function number(value: number): string {
  return grouped(Math.round(value))
}

function micros(value: number): string {
  return `${number(value)} us`
}

function row(what: string, ...cells: readonly string[]): string {
  return `  ${what.padEnd(38)}${cells.map((cell) => cell.padStart(12)).join('')}`
}
