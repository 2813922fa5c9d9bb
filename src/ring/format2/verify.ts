import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { isRingError } from '../../errors.ts'
import {
  Findings,
  type LogCounts,
  type RingReport,
  reportOf,
  type VerifyOptions,
} from '../report.ts'
import { isBad } from './block.ts'
import { checkFixed, checkSlots } from './check-blocks.ts'
import { LogCheck } from './check-log.ts'
import { Disk } from './disk.ts'
import { firstSuperblock } from './layout.ts'
import { readSteadySlots } from './state.ts'

/** Where the superblock of most rings is. */
const USUAL_SUPERBLOCK = firstSuperblock(512)

/** Checks a ring; see `verifyRing`. */
export async function verify(device: BlockDevice, options: VerifyOptions): Promise<RingReport> {
  const findings = new Findings()
  const disk = await openDisk(device, findings)
  const log = disk === undefined ? undefined : await check(disk, findings, options)
  return reportOf(2, findings, log)
}

/** Answers the ring if there is a superblock that can be believed; else that is found to be damaged. */
export async function openDisk(device: BlockDevice, findings: Findings): Promise<Disk | undefined> {
  try {
    return await Disk.open(device)
  } catch (error) {
    if (!isRingError(error) || error.code !== 'RING_CORRUPT') throw error
    const { message, details } = error
    findings.add({
      severity: 'damage',
      offset: USUAL_SUPERBLOCK,
      structure: details.field ?? 'superblock',
      problem: message,
      advice: 'nothing can be read without it; restore the device from a copy',
    })
    return undefined
  }
}

async function check(
  disk: Disk,
  findings: Findings,
  options: VerifyOptions,
): Promise<LogCounts | undefined> {
  const { clock = systemClock } = options
  await checkFixed(disk, findings)
  const slots = await readSteadySlots(disk, clock)
  checkSlots(disk, slots, findings)
  // Without a slot of either role nobody knows where the log is.
  if (slots.producer.every(isBad) || slots.consumer.every(isBad)) return undefined
  return await new LogCheck(disk, slots, findings, clock, options).run()
}
