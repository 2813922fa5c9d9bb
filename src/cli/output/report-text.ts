import type { BlockHolder } from '../../block/device.ts'
import type { RingHolders } from '../../ring/holders.ts'
import { formatPosition } from '../../ring/position-text.ts'
import { cannotRead } from '../../ring/report/read-around.ts'
import type { RingInspection } from '../../ring/types.ts'
import type { Output } from './output.ts'
import { shownRoles } from './positions.ts'
import { counted, grouped, isoTime, preview, safeText } from './render.ts'
import type { ReportOptions } from './report-json.ts'
import { TextWriter } from './text-writer.ts'

/** Columns of a position (19 are enough for 2^62, and for 1000 epochs of 2^52 items) and of a length, in the table of items. */
const POSITION_COLUMNS = 19
const BYTES_COLUMNS = 10
const MIN_PREVIEW_COLUMNS = 20

type Row = readonly [name: string, value: string]

/** Writes a ring's state as text. */
export async function writeText(
  output: Output,
  state: RingInspection,
  { items, signal, holders }: ReportOptions,
): Promise<void> {
  const writer = new TextWriter(output)
  await writer.add(summary(state, holders))
  try {
    if (items) await writeItems(writer, state, output.columns, signal)
  } finally {
    // Also what came before a damaged item.
    await writer.end()
  }
}

async function writeItems(
  writer: TextWriter,
  state: RingInspection,
  columns: number,
  signal: AbortSignal,
): Promise<void> {
  const rest = Math.max(MIN_PREVIEW_COLUMNS, columns - POSITION_COLUMNS - BYTES_COLUMNS - 4)
  let count = 0
  for await (const { item, position } of state.items()) {
    signal.throwIfAborted()
    if (count === 0) await writer.add(`\n${row('position', 'bytes', 'item')}`)
    count++
    await writer.add(
      row(formatPosition(position, state.format), String(item.length), preview(item, rest)),
    )
  }
  await writer.add(`\n${counted(count, 'item')}\n`)
}

function row(position: string, bytes: string, text: string): string {
  return `${position.padStart(POSITION_COLUMNS)}  ${bytes.padStart(BYTES_COLUMNS)}  ${text}\n`
}

function summary(state: RingInspection, holders: RingHolders): string {
  const { capacity, used } = state
  const { producer, consumer } = shownRoles(state)
  const percent = ((used / capacity) * 100).toFixed(1)
  const rows: readonly Row[] = [
    ['format', String(state.format)],
    ...ringRows(state),
    ['size', `${grouped(state.sizeSectors)} sectors of ${state.sectorSize} bytes`],
    ['capacity', `${grouped(capacity)} bytes`],
    ['used', `${grouped(used)} bytes (${percent}%)`],
    ['free', `${grouped(state.free)} bytes`],
    ...waitingRows(state),
    ['state', stateOf(producer.suspendAck, consumer.suspend)],
    [
      'producer',
      `position ${producer.offset}, suspend_ack ${producer.suspendAck}${working(holders.producer)}`,
    ],
    ['', `${quoted(producer.text)}${written(state.stats?.producerAt)}`],
    ...holderRows(holders.producer),
    [
      'consumer',
      `position ${consumer.offset}, suspend ${consumer.suspend}${working(holders.consumer)}`,
    ],
    ['', `${quoted(consumer.text)}${written(state.stats?.consumerAt)}`],
    ...holderRows(holders.consumer),
    ...(state.unreadable ?? []).map((range): Row => ['damaged', cannotRead(range)]),
  ]
  return rows.map(([name, value]) => `  ${name.padEnd(8)}  ${value}\n`).join('')
}

function ringRows({ ring }: RingInspection): readonly Row[] {
  if (ring === undefined) return []
  const what = ring.onFull === 'overwrite' ? ', overwrites its oldest items when it is full' : ''
  const name = ring.name === '' ? '' : `"${safeText(ring.name)}", `
  return [['ring', `${name}${ring.uuid}, blocks of ${grouped(ring.blockSize)} bytes${what}`]]
}

function waitingRows({ waitingItems, waitingBytes, stats }: RingInspection): readonly Row[] {
  if (waitingItems === undefined || waitingBytes === undefined || stats === undefined) return []
  const since = stats.oldestAt === undefined ? 'an unknown time' : isoTime(stats.oldestAt)
  const age = waitingItems === 0 ? '' : `, the oldest since ${since}`
  const lost = [
    stats.damagedItems > 0 ? `${grouped(stats.damagedItems)} damaged` : '',
    stats.missedItems > 0 ? `${grouped(stats.missedItems)} overwritten` : '',
  ].filter((text) => text !== '')
  return [
    ['waiting', `${counted(waitingItems, 'item')}, ${counted(waitingBytes, 'byte')}${age}`],
    [
      'so far',
      [
        `${counted(stats.pushedItems, 'item')} pushed in ${counted(stats.commits, 'commit')}`,
        ...lost,
        `${counted(stats.retries, 'time')} without room`,
      ].join(', '),
    ],
  ]
}

/** When a side last wrote its slot; not recorded in format 1. */
function written(at: number | undefined): string {
  return at === undefined ? '' : `, last written at ${isoTime(at)} by its clock`
}

function stateOf(acknowledged: boolean, wanted: boolean): string {
  if (wanted === acknowledged) return wanted ? 'suspended' : 'running'
  return `asked to ${wanted ? 'suspend' : 'resume'}; the producer has not acknowledged it yet`
}

function working(holder: BlockHolder | undefined): string {
  return `; ${holder === undefined ? 'not ' : ''}at work on this machine`
}

function holderRows(holder: BlockHolder | undefined): readonly Row[] {
  if (holder === undefined) return []
  const { pid, host, since } = holder
  const details = pid === undefined ? '' : `, process ${pid} on ${host}, since ${since}`
  return [['', `held by ${safeText(`${holder.holder}${details}`)}`]]
}

function quoted(text: string): string {
  return text === '' ? '(never written)' : `"${safeText(text)}"`
}
