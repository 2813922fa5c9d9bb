import type { BlockDevice } from '../../block/device.ts'
import { isRingError, type RingError } from '../../errors.ts'
import {
  type Finding,
  Findings,
  type LogCounts,
  type RingReport,
  reportOf,
  type VerifyOptions,
} from '../report.ts'
import type { RingInspection } from '../types.ts'
import { inspect } from './inspect.ts'
import { DATA_SECTOR, PRODUCER_SECTOR, recordBytes } from './layout.ts'
import { FLAG_AT, TEXT_START } from './pointer.ts'

/** Where the fields of a pointer sector are; the offset is at its start. */
const FIELDS: Readonly<Record<string, number>> = {
  suspend_ack: FLAG_AT,
  suspend: FLAG_AT,
  text: TEXT_START,
}

/** Checks a ring: both pointers, and the length of each record that waits; see `verifyRing`. */
export async function verify(device: BlockDevice, options: VerifyOptions): Promise<RingReport> {
  const { sectorSize } = await device.getInfo()
  const findings = new Findings()
  const log = await check(device, options, (error) => {
    findings.add(findingOf(error, sectorSize))
  })
  return reportOf(1, findings, log)
}

async function check(
  device: BlockDevice,
  { onProgress, signal }: VerifyOptions,
  onDamage: (error: RingError) => void,
): Promise<LogCounts | undefined> {
  let state: RingInspection
  try {
    state = await inspect(device)
  } catch (error) {
    if (!isCorrupt(error)) throw error
    onDamage(error)
    return undefined
  }
  let items = 0
  let bytes = 0
  let done = 0
  try {
    for await (const { item } of state.items()) {
      signal?.throwIfAborted()
      items++
      bytes += item.length
      done += recordBytes(item.length)
      onProgress?.(done, state.used)
    }
  } catch (error) {
    if (!isCorrupt(error)) throw error
    onDamage(error)
  }
  const blocks = Math.ceil(state.used / state.sectorSize)
  const freeBlocks = Math.floor(state.free / state.sectorSize)
  return { blocks, freeBlocks, batches: 0, items, bytes }
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
    advice:
      'the items before it can be consumed; those behind it cannot be found, because format 1 has no checksums',
  }
}
