import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { isRingError, RingError } from '../../errors.ts'
import {
  type Finding,
  Findings,
  type LogCounts,
  type RingReport,
  reportOf,
  type VerifyOptions,
} from '../report/finding.ts'
import { type Inspection, inspect } from './inspect.ts'
import { DATA_SECTOR, type Layout, makeLayout, PRODUCER_SECTOR, recordBytes } from './layout.ts'
import { FLAG_AT, TEXT_START } from './pointer.ts'
import { type Extent, extentOf } from './record.ts'

/** Offsets of the fields in a pointer sector. */
const FIELDS: Readonly<Record<string, number>> = {
  suspend_ack: FLAG_AT,
  suspend: FLAG_AT,
  text: TEXT_START,
}

const BEHIND =
  'the items before it can be consumed; those after it cannot be found, because format 1 has no checksums'
const CANNOT_BE_READ = 'cannot be read'

/** Checks both pointers, and the length of each unacknowledged record; see `verifyRing`. */
export async function verify(
  device: SalvageBlockDevice,
  options: VerifyOptions,
): Promise<RingReport> {
  const { sectorSize } = await device.getInfo()
  const findings = new Findings()
  const log = await check(device, options, (error) => {
    const { sector = PRODUCER_SECTOR } = error.details
    const finding = findingOf(error, sectorSize)
    const isUnreadable = firstUnreadable(device, { sector, sectors: 1 }) !== undefined
    findings.add(isUnreadable ? { ...finding, problem: CANNOT_BE_READ } : finding)
  })
  for (const { sector } of findings.sound ? device.unreadable : []) {
    findings.add({
      severity: 'damage',
      offset: sector * sectorSize,
      structure: 'sector',
      problem: CANNOT_BE_READ,
      advice:
        'no unacknowledged item is there, but no role can attach; restore the device from a copy',
    })
  }
  return reportOf(1, findings, log)
}

async function check(
  device: SalvageBlockDevice,
  { onProgress, signal }: VerifyOptions,
  onDamage: (error: RingError) => void,
): Promise<LogCounts | undefined> {
  let state: Inspection
  try {
    state = await inspect(device)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    onDamage(error)
    return undefined
  }
  const { sectorSize, sizeSectors } = state
  const layout = makeLayout(sectorSize, sizeSectors, device.name)
  let items = 0
  let bytes = 0
  let done = 0
  try {
    for await (const { length, position } of state.records(signal)) {
      signal?.throwIfAborted()
      const from = position - BigInt(recordBytes(length))
      const sector = unreadableIn(device, layout, extentOf(layout, from, position))
      // What was read here and after it is not what was written.
      if (sector !== undefined) throw unreadableRecord(device.name, sector)
      items++
      bytes += length
      done += recordBytes(length)
      onProgress?.(done, state.usedBytes)
    }
  } catch (error) {
    if (!isCorrupt(error)) throw error
    onDamage(error)
  }
  const blocks = Math.ceil(state.usedBytes / sectorSize)
  const freeBlocks = Math.floor(state.freeBytes / sectorSize)
  return { blocks, freeBlocks, batches: 0, items, bytes }
}

/** The unreadable sector in a run of the data area. */
function unreadableIn(
  device: SalvageBlockDevice,
  { sizeSectors }: Layout,
  extent: Extent,
): number | undefined {
  const pastEnd = Math.max(0, extent.sector + extent.sectors - sizeSectors)
  return (
    firstUnreadable(device, extent) ??
    firstUnreadable(device, { sector: DATA_SECTOR, sectors: pastEnd })
  )
}

/** The first unreadable sector in a range of the device. */
function firstUnreadable(device: SalvageBlockDevice, extent: Extent): number | undefined {
  const end = extent.sector + extent.sectors
  for (const { sector, sectors } of device.unreadable) {
    if (sector < end && extent.sector < sector + sectors) return Math.max(sector, extent.sector)
  }
  return undefined
}

function unreadableRecord(device: string, sector: number): RingError {
  return new RingError('RING_CORRUPT', `Sector ${sector} of ${device} ${CANNOT_BE_READ}`, {
    device,
    sector,
    field: 'record',
  })
}

function isCorrupt(error: unknown): error is RingError {
  return isRingError(error) && error.code === 'RING_CORRUPT'
}

function findingOf({ details }: RingError, sectorSize: number): Finding {
  const { sector = PRODUCER_SECTOR, field = '', expected, found, offset } = details
  const problem = `${field}: expected ${expected}, found ${found}`
  if (sector < DATA_SECTOR) {
    return {
      severity: 'damage',
      offset: sector * sectorSize + (FIELDS[field] ?? 0),
      structure: sector === PRODUCER_SECTOR ? 'producer sector' : 'consumer sector',
      problem,
      advice: 'format 1 keeps no second copy of it; restore the device from a copy',
    }
  }
  return {
    severity: 'damage',
    offset: offset ?? sector * sectorSize,
    structure: 'record',
    problem,
    advice: BEHIND,
  }
}
