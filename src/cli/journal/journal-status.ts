import type { BlockDevice } from '../../block/device.ts'
import type { Position } from '../../position.ts'
import { whoHolds } from '../../ring/access/holders.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { grouped, percent, safeText } from '../../text/render.ts'
import { itemHeading, itemRow } from '../output/item-table.ts'
import { shownRoles } from '../output/positions.ts'
import { type Row, type Style, tableText } from '../output/style.ts'

/** A pending operation. */
interface Shown {
  readonly position: Position
  readonly bytes: number
  /** Its first bytes. */
  readonly start: Uint8Array
}

/** The pending operations of a journal, and its state. */
export interface JournalReport {
  readonly device: string
  readonly state: RingInspection
  /** Pending operations, or those before the first unreadable one. */
  readonly count: number
  /** The first of them. */
  readonly shown: readonly Shown[]
  /** True if a process on this machine holds the consumer's role. */
  readonly performing: boolean
  /** The error, if some could not be read. */
  readonly problem: unknown
}

/** Operations may be large, and a report is for people. */
const START_BYTES = 256
const NAME_COLUMNS = 9

/** Counts the pending operations, and keeps the first few. */
export async function readStatus(
  journal: BlockDevice,
  state: RingInspection,
  most: number,
  signal: AbortSignal,
): Promise<JournalReport> {
  const shown: Shown[] = []
  let count = 0
  let problem: unknown
  try {
    for await (const { item, position } of state.items()) {
      signal.throwIfAborted()
      count++
      if (shown.length < most) {
        shown.push({ position, bytes: item.length, start: item.slice(0, START_BYTES) })
      }
    }
  } catch (error) {
    problem = error
  }
  const performing = (await whoHolds(journal)).consumer !== undefined
  return { device: journal.name, state, count, shown, performing, problem }
}

/** The report for programs. */
export function statusJson(report: JournalReport): object {
  const { device, state, count, shown, performing } = report
  const { usedBytes, capacityBytes } = state
  const { producer, consumer } = shownRoles(state)
  const operations = shown.map(({ position, bytes, start }) => ({
    position: formatPosition(position, state.format),
    bytes,
    startHex: Buffer.from(start).toString('hex'),
  }))
  const pending = { pendingOperations: count, pendingBytes: usedBytes, capacityBytes }
  return { device, ...pending, producer, consumer, performing, operations }
}

/** The report as text. */
export function statusText(report: JournalReport, columns: number, style: Style): string {
  const { state, count, shown, performing, problem } = report
  const { usedBytes: used, capacityBytes: capacity } = state
  const { producer, consumer } = shownRoles(state)
  const operations = count === 1 ? 'operation' : 'operations'
  const pending = `${grouped(count)} ${operations}`
  const rows: readonly Row[] = [
    problem === undefined ? ['pending', pending] : ['pending', `${pending}, then damage`, 'bad'],
    ['used', `${style.bytes(used)} of ${style.bytes(capacity)} (${percent(used / capacity)})`],
    producer.suspendAck ? ['state', 'suspended: no pushes', 'bad'] : ['state', 'running', 'good'],
    ['pushed', `up to position ${style.position(producer.position)}`],
    ['pusher', quoted(producer.text)],
    ['done', `up to position ${style.position(consumer.position)}`],
    ['performer', `${quoted(consumer.text)}, ${performing ? 'running' : 'not running'}`],
  ]
  const table = tableText(rows, NAME_COLUMNS, style)
  return shown.length === 0 ? table : `${list(report, columns, style)}\n${table}`
}

function list({ state, shown, count }: JournalReport, columns: number, style: Style): string {
  const more = count - shown.length
  return [
    itemHeading('operation'),
    ...shown.map(({ position, bytes, start }) =>
      itemRow(style.position(formatPosition(position, state.format)), bytes, start, columns),
    ),
    more === 0 ? '' : `\n${grouped(more)} more\n`,
  ].join('')
}

function quoted(text: string): string {
  return text === '' ? '(never written)' : `"${safeText(text)}"`
}
