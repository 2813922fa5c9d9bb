import { BlockError } from '../../../errors.ts'
import type { BlockCapabilities, BlockInfo } from '../../device.ts'
import { wholeSectors } from '../../validate.ts'
import type { NbdBlockDeviceOptions } from '../options.ts'
import { EXPORT_FLAG } from '../protocol.ts'
import { NbdFault } from '../transport/fault.ts'
import type { Export } from './negotiate.ts'

/** The most data in a request: a large transfer is many requests, a few of them in flight. */
const TRANSFER_BYTES = 4 << 20

/** A device's settings, from the server's description and the user's options. */
export interface ExportSettings {
  readonly info: BlockInfo
  readonly capabilities: BlockCapabilities
  readonly durability: 'fua' | 'flush' | 'none'
  /** True if the server supports writing zeroes. */
  readonly zeroes: boolean
  /** True if the server can send the data of a read in one piece. */
  readonly df: boolean
  readonly multiConn: boolean
  /** Bytes in a request with data, a multiple of the sector size. */
  readonly transferBytes: number
  /** Bytes in a request without. */
  readonly rangeBytes: number
  /** All offsets and lengths have to be multiples of this. */
  readonly minimumBytes: number
  /** Bytes in a block status request, at first. */
  readonly maxStatusBytes: number
}

/**
 * @throws {RangeError} the server cannot have such sectors
 * @throws {BlockError} `BLOCK_READ_ONLY`, `BLOCK_UNSUPPORTED`
 */
export function exportSettingsOf(
  device: string,
  found: Export,
  options: NbdBlockDeviceOptions,
): ExportSettings {
  const has = (flag: number): boolean => (found.flags & flag) !== 0
  const sectorSize = chooseSectorSize(device, found, options.sectorSize)
  const { mode = 'auto' } = options
  if (mode === 'read-write' && has(EXPORT_FLAG.readOnly)) {
    const message = `${device} is a read-only export; have its server allow writing, or open it with mode 'auto' or 'read-only'`
    throw new BlockError('BLOCK_READ_ONLY', message, { device })
  }
  const readWrite = mode !== 'read-only' && !has(EXPORT_FLAG.readOnly)
  const rangeBytes = found.maximum - (found.maximum % sectorSize)
  return {
    info: { readWrite, ...wholeSectors(found.sizeBytes, sectorSize) },
    capabilities: {
      discard: has(EXPORT_FLAG.trim) && readWrite,
      resize: false,
      seek: found.allocation !== undefined,
      claim: true,
      watch: false,
      singleSectorBuffers: false,
    },
    durability: chooseDurability(device, has, readWrite, options.durability ?? 'auto'),
    zeroes: has(EXPORT_FLAG.writeZeroes),
    df: has(EXPORT_FLAG.df) && found.structured,
    multiConn: has(EXPORT_FLAG.multiConn),
    transferBytes: Math.min(rangeBytes, TRANSFER_BYTES),
    rangeBytes,
    minimumBytes: found.minimum,
    maxStatusBytes: found.maxStatus - (found.maxStatus % sectorSize),
  }
}

/**
 * Checks on reconnecting that the export is still the same: it may have been replaced.
 * @throws {NbdFault} it is another one
 */
export function checkSameExport(before: Export, now: Export): void {
  const changed = (['flags', 'minimum', 'structured'] as const).find(
    (key) => before[key] !== now[key],
  )
  const holes = (before.allocation === undefined) === (now.allocation === undefined)
  if (
    changed === undefined &&
    holes &&
    now.sizeBytes >= before.sizeBytes &&
    now.maximum >= before.maximum
  ) {
    return
  }
  throw new NbdFault(
    'unfit',
    `it is another export now: expected ${show(before)}, found ${show(now)}`,
  )
}

function show({ sizeBytes, flags, minimum, maximum }: Export): string {
  return `${sizeBytes} bytes with flags ${flags} and blocks of ${minimum} to ${maximum} bytes`
}

function chooseSectorSize(
  device: string,
  { minimum, maximum }: Export,
  sectorSize = Math.max(512, minimum),
): number {
  if (sectorSize % minimum !== 0) {
    throw new RangeError(
      `the sectors of ${device} must be a multiple of its server's smallest block of ${minimum} bytes, ` +
        `not ${sectorSize}`,
    )
  }
  if (sectorSize > maximum) {
    throw new RangeError(
      `the sectors of ${device} have to fit its server's largest request of ${maximum} bytes, but have ` +
        `${sectorSize}`,
    )
  }
  return sectorSize
}

function chooseDurability(
  device: string,
  has: (flag: number) => boolean,
  readWrite: boolean,
  wanted: 'auto' | 'flush' | 'none',
): ExportSettings['durability'] {
  if (wanted === 'none') return 'none'
  if (has(EXPORT_FLAG.flush)) return has(EXPORT_FLAG.fua) && wanted === 'auto' ? 'fua' : 'flush'
  // Without writes there is nothing to flush.
  if (!readWrite) return 'none'
  const message =
    `the server of ${device} offers no flush, so no write to it is known to be on stable storage; use a ` +
    "server that does, or open it with mode 'read-only', or with durability 'none' if that does not matter"
  throw new BlockError('BLOCK_UNSUPPORTED', message, { device })
}
