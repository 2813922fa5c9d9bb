import type { BlockDevice } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import type { SalvageBlockDevice } from '../../../block/wrap/salvage.ts'
import { systemClock } from '../../../clock.ts'
import type { Finding, Findings, VerifyOptions } from '../../report/finding.ts'
import type { RepairAction, RepairOptions } from '../../report/repair.ts'
import { flip } from '../disk/correct.ts'
import type { Disk } from '../disk/disk.ts'
import { offsetIn } from '../disk/offset-in.ts'
import { type Correction, LogCheck } from './check-log.ts'
import { SKIP, structureOf } from './log-findings.ts'
import { isLogKnown, readSteadySlots } from './state.ts'
import { findingOf, type Unreadable, type UnreadablePart } from './unreadable.ts'

/** Bytes per read. */
const CHUNK_BYTES = 1 << 20
const LEASE_COST = 'this frees the lease: make sure that no host is running'
const UNKNOWN_COST = 'it may have contained unacknowledged items; if so, they are lost'

/** A write. After each one the ring is no worse than before, even if none of the others follows. */
export interface Step extends RepairAction {
  readonly bytes: Uint8Array
}

/** Reads a device up to an offset, so that its unreadable sectors become known. */
export async function readUpTo(
  device: BlockDevice,
  end: number,
  { onProgress, signal }: VerifyOptions,
): Promise<void> {
  for (let offset = 0; offset < end; offset += CHUNK_BYTES) {
    signal?.throwIfAborted()
    const bytes = Math.min(CHUNK_BYTES, end - offset)
    await readRange(device, offset, bytes)
    onProgress?.(offset + bytes, end)
  }
}

/**
 * Reads the log, and plans zeroes for unreadable sectors that no other step writes: in the ring's own records, whose
 * content is zeroes; and, with `zeroUnreadable`, in leases and batches.
 * @param unreadable has what other steps write, and what remains damaged
 * @param left receives what remains damaged
 */
export async function planZeroes(
  device: SalvageBlockDevice,
  disk: Disk,
  unreadable: Unreadable,
  left: Findings,
  options: RepairOptions,
): Promise<readonly Step[]> {
  const steps: Step[] = []
  const isKnown = await checkLog(disk, unreadable, left, steps, options)
  for (const part of unreadable.rest()) {
    if (part.kind === 'own') {
      steps.push(zeroes(device, part, 'zeroes written, the original content'))
    } else if (options.zeroUnreadable !== true || part.kind === 'outside') {
      left.add(findingOf(part))
    } else if (part.kind === 'lease') {
      steps.push(zeroes(device, part, 'zeroes written', LEASE_COST))
    }
  }
  if (options.zeroUnreadable !== true) return steps
  const given = unreadable.log().map((part) => {
    const cost = isKnown ? part.loss && `gives up ${part.loss}` : UNKNOWN_COST
    return zeroes(device, part, 'zeroes written', cost)
  })
  return [...steps, ...given]
}

/**
 * Finds damaged batches, if the slots show where the log is.
 * @param steps receives the steps that flip bits back
 * @returns whether there are any
 */
async function checkLog(
  disk: Disk,
  unreadable: Unreadable,
  left: Findings,
  steps: Step[],
  options: RepairOptions,
): Promise<boolean> {
  const slots = await readSteadySlots(disk, options.clock ?? systemClock)
  if (!isLogKnown(slots)) return false
  const add = (finding: Finding): void => {
    const stays = staying(finding, options)
    if (stays !== undefined) left.add(stays)
  }
  const log = new LogCheck(disk, slots, { add }, unreadable, options)
  const counts = await log.run()
  for (const correction of log.corrections) steps.push(await corrected(disk, correction))
  return counts !== undefined
}

/** Restores the block of a flipped bit. */
async function corrected(disk: Disk, { header, flipped }: Correction): Promise<Step> {
  const { blockSize } = disk.layout
  const lsn = header.start.lsn + Math.floor(flipped.at / blockSize)
  const bytes = await disk.readBlocks(lsn, 1)
  flip(bytes, { ...flipped, at: flipped.at % blockSize })
  const structure = structureOf(flipped)
  const action = `bit ${flipped.bit} of byte ${offsetIn(disk, header.start.lsn, flipped.at)} flipped back`
  return { offset: disk.offsetOf(lsn), structure, action, bytes }
}

/** The finding that remains after the repair. Zeroes are damage among unacknowledged items, and nothing elsewhere. */
function staying(finding: Finding, { zeroUnreadable = false }: RepairOptions): Finding | undefined {
  if (finding.severity !== 'damage') return undefined
  if (!zeroUnreadable || finding.advice === SKIP) return finding
  return finding.items === undefined || finding.items === 0
    ? undefined
    : { ...finding, advice: SKIP }
}

function zeroes(
  device: BlockDevice,
  { offset, structure, bytes }: UnreadablePart,
  action: string,
  cost?: string,
): Step {
  const step = { offset, structure, action, bytes: device.allocate(bytes) }
  return cost === undefined ? step : { ...step, cost }
}
