import type { SalvageBlockDevice } from '../../../block/wrap/salvage.ts'
import { systemClock } from '../../../clock.ts'
import { isRingError } from '../../../errors.ts'
import {
  Findings,
  type LogCounts,
  type RingReport,
  reportOf,
  type VerifyOptions,
} from '../../report/finding.ts'
import { Disk } from '../disk/disk.ts'
import { firstSuperblock } from '../disk/layout.ts'
import { checkFixed, checkSlots, DISAGREE } from './check-blocks.ts'
import { LogCheck } from './check-log.ts'
import { findRing } from './find-ring.ts'
import { isLogKnown, readSteadySlots } from './state.ts'
import { findingOf, Unreadable } from './unreadable.ts'

/** Offset of the superblock of most rings. */
const USUAL_SUPERBLOCK = firstSuperblock(512)

/** Checks a ring; see `verifyRing`. */
export async function verify(
  device: SalvageBlockDevice,
  options: VerifyOptions,
): Promise<RingReport> {
  const findings = new Findings()
  const disk = await openDisk(device, findings, options)
  const log = disk === undefined ? undefined : await check(device, disk, findings, options)
  return reportOf(2, findings, log)
}

const NO_SUPERBLOCK = 'nothing can be read without it; restore the device from a copy'
/** Advice, by damaged field. */
const ADVICE: Readonly<Record<string, string>> = { superblocks: DISAGREE }
const SHRUNK =
  'restore the original size of the device; if its end is gone, so are the blocks there'

/** Opens the ring. Adds a finding if it has no valid superblock. */
export async function openDisk(
  device: SalvageBlockDevice,
  findings: Findings,
  options: VerifyOptions,
): Promise<Disk | undefined> {
  try {
    return await Disk.open(device)
  } catch (error) {
    if (!isRingError(error)) throw error
    const { code, message, details } = error
    if (code !== 'RING_CORRUPT' && code !== 'RING_DEVICE_TOO_SMALL') throw error
    const found = details.field === 'superblock' ? await findRing(device, options) : undefined
    if (found !== undefined) return found
    const { failure } = device
    findings.add({
      severity: 'damage',
      offset: details.offset ?? USUAL_SUPERBLOCK,
      structure: details.field ?? 'superblock',
      problem: failure === undefined ? message : `${message}; ${failure.message}`,
      advice:
        code === 'RING_DEVICE_TOO_SMALL' ? SHRUNK : (ADVICE[details.field ?? ''] ?? NO_SUPERBLOCK),
    })
    return undefined
  }
}

async function check(
  device: SalvageBlockDevice,
  disk: Disk,
  findings: Findings,
  options: VerifyOptions,
): Promise<LogCounts | undefined> {
  const unreadable = await Unreadable.of(device, disk)
  const own = new Findings()
  const { clock = systemClock } = options
  await checkFixed(disk, own, clock)
  const slots = await readSteadySlots(disk, clock)
  checkSlots(disk, slots, own)
  for (const finding of own.list) findings.add(unreadable.explained(finding))
  const log = isLogKnown(slots)
    ? await new LogCheck(disk, slots, findings, unreadable, options).run()
    : undefined
  for (const part of unreadable.rest()) findings.add(findingOf(part))
  return log
}
