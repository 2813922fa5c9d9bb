import type { BlockHolder } from '../../block/device.ts'
import type { RingInspection } from '../../ring/inspection.ts'
import { cannotRead } from '../../ring/report/unreadable.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { describeLease } from '../../text/lease.ts'
import { counted, grouped, percent, safeText } from '../../text/render.ts'
import { type NextStep, nextSteps } from '../device/next-steps.ts'
import { itemHeading, itemRow } from './item-table.ts'
import type { Output } from './output.ts'
import { shownRoles } from './positions.ts'
import type { ReportOptions } from './report-json.ts'
import { type Row, type Style, tableText } from './style.ts'
import { TextWriter } from './text-writer.ts'

const NAME_COLUMNS = 8

/** Writes a ring's state as text: its first items, and then, where they stay visible, state and next steps. */
export async function writeText(
  output: Output,
  state: RingInspection,
  options: ReportOptions,
  style: Style,
): Promise<void> {
  const writer = new TextWriter(output)
  try {
    if (options.items > 0) await writeItems(writer, state, options, output.columns, style)
  } finally {
    // Also after a damaged item.
    await writer.add(tableText(summary(state, options, style), NAME_COLUMNS, style))
    await writer.add(stepsText(nextSteps(state, options), style))
    await writer.end()
  }
}

async function writeItems(
  writer: TextWriter,
  state: RingInspection,
  { items: most, signal }: ReportOptions,
  columns: number,
  style: Style,
): Promise<void> {
  let [shown, more] = [0, 0]
  for await (const { item, position } of state.items()) {
    signal.throwIfAborted()
    if (shown === most) {
      more = state.waitingItems === undefined ? more + 1 : state.waitingItems - shown
      // Only format 1 does not know how many there are.
      if (state.waitingItems === undefined) continue
      break
    }
    if (shown === 0) await writer.add(itemHeading('item'))
    shown++
    const place = style.position(formatPosition(position, state.format))
    await writer.add(itemRow(place, item.length, item, columns))
  }
  const all =
    more <= 0 ? counted(shown, 'item') : `${counted(more, 'more item')} (--items N shows more)`
  await writer.add(`${shown === 0 ? '' : '\n'}${all}\n\n`)
}

function summary(state: RingInspection, options: ReportOptions, style: Style): readonly Row[] {
  const { holders, leases } = options
  const { capacityBytes, usedBytes, stats } = state
  const { producer, consumer } = shownRoles(state)
  return [
    ['format', String(state.format)],
    ...ringRows(state, style),
    ['size', `${grouped(state.sizeSectors)} sectors of ${state.sectorSize} bytes`],
    ['capacity', style.bytes(capacityBytes)],
    ['used', `${style.bytes(usedBytes)} (${percent(usedBytes / capacityBytes)})`],
    ['free', style.bytes(state.freeBytes)],
    ...waitingRows(state, style),
    stateRow(producer.suspendAck, consumer.suspend),
    [
      'producer',
      `position ${style.position(producer.position)}, suspend_ack ${producer.suspendAck}${working(holders.producer)}`,
    ],
    ['', `${quoted(producer.text)}${written(stats?.producerAt, style)}`],
    ...holderRows(holders.producer, style),
    ...leaseRows(leases?.producer, style),
    [
      'consumer',
      `position ${style.position(consumer.position)}, suspend ${consumer.suspend}${working(holders.consumer)}`,
    ],
    ['', `${quoted(consumer.text)}${written(stats?.consumerAt, style)}`],
    ...holderRows(holders.consumer, style),
    ...leaseRows(leases?.consumer, style),
    ...(state.unreadable ?? []).map((range): Row => ['damaged', cannotRead(range), 'bad']),
  ]
}

/** The next steps, each command on a line of its own, so that it can be copied. */
function stepsText(steps: readonly NextStep[], style: Style): string {
  const indent = ' '.repeat(NAME_COLUMNS + 4)
  return steps
    .map(({ what, run }, index) => {
      const name = index === 0 ? 'to do' : ''
      const commands = run.map((command) => `${indent}  ${safeText(command)}\n`).join('')
      return `${tableText([[name, safeText(what), 'bad']], NAME_COLUMNS, style)}${commands}`
    })
    .join('')
}

function ringRows({ ring }: RingInspection, style: Style): readonly Row[] {
  if (ring === undefined) return []
  const what = ring.onFull === 'overwrite' ? ', overwrites its oldest items when it is full' : ''
  const name = ring.name === '' ? '' : `"${safeText(ring.name)}", `
  return [['ring', `${name}${ring.uuid}, blocks of ${style.bytes(ring.blockSize)}${what}`]]
}

function waitingRows(
  { waitingItems, waitingBytes, stats }: RingInspection,
  style: Style,
): readonly Row[] {
  if (waitingItems === undefined || waitingBytes === undefined || stats === undefined) return []
  const pushed = stats.oldestAt === undefined ? 'at an unknown time' : style.when(stats.oldestAt)
  const age = waitingItems === 0 ? '' : `, the oldest pushed ${pushed}`
  const lost = [
    stats.damagedItems > 0 ? `${grouped(stats.damagedItems)} damaged` : '',
    stats.missedItems > 0 ? `${grouped(stats.missedItems)} overwritten` : '',
  ].filter((text) => text !== '')
  return [
    ['waiting', `${counted(waitingItems, 'item')}, ${style.bytes(waitingBytes)}${age}`],
    [
      'so far',
      [
        `${counted(stats.committedItems, 'item')} pushed in ${counted(stats.commits, 'commit')}`,
        ...lost,
        `${counted(stats.fullPushes, 'time')} without room`,
      ].join(', '),
    ],
  ]
}

/** The time of a side's last slot write; not recorded in format 1. */
function written(at: number | undefined, style: Style): string {
  return at === undefined ? '' : `, last written ${style.when(at)} by its clock`
}

function stateRow(granted: boolean, wanted: boolean): Row {
  if (wanted === granted)
    return wanted ? ['state', 'suspended', 'bad'] : ['state', 'running', 'good']
  const asked = `asked to ${wanted ? 'suspend' : 'resume'}`
  return ['state', `${asked}; the producer has not granted it yet`, 'bad']
}

function working(holder: BlockHolder | undefined): string {
  return `; ${holder === undefined ? 'not ' : ''}at work on this machine`
}

function holderRows(holder: BlockHolder | undefined, style: Style): readonly Row[] {
  if (holder === undefined) return []
  const { pid, host, since } = holder
  const taken = since === undefined ? Number.NaN : Date.parse(since)
  const when = Number.isNaN(taken) ? `since ${since}` : `taken ${style.when(taken)}`
  const details = pid === undefined ? '' : `, process ${pid} on ${host}, ${when}`
  return [['', `held by ${safeText(`${holder.holder}${details}`)}`]]
}

function leaseRows(
  lease: Parameters<typeof describeLease>[0] | undefined,
  style: Style,
): readonly Row[] {
  if (lease === undefined || lease.status === 'never') return []
  return [['', `leased: ${describeLease(lease, style.when)}`]]
}

function quoted(text: string): string {
  return text === '' ? '(never written)' : `"${safeText(text)}"`
}
