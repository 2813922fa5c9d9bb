import { randomUUID } from 'node:crypto'
import { rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { BlockDevice } from '../../block/device.ts'
import { FileBlockDevice, type FileBlockDeviceOptions } from '../../block/file/index.ts'
import { isNbdUri } from '../../block/nbd/uri.ts'
import { PartitionBlockDevice } from '../../block/wrap/partition.ts'
import { isBlockError } from '../../errors.ts'
import { grouped } from '../../text/render.ts'
import { createFile, isThere } from '../device/create-target.ts'
import { type OpenedDevice, openDevice } from '../device/device.ts'
import { describeHolding, type Holding, holdingOf } from '../device/device-content.ts'
import { ringPathOf } from '../device/ring-path.ts'
import { holdTarget } from '../device/target.ts'
import { usageError } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { isZero, type Part, scratchOf } from './scratch.ts'

/** A smaller ring would fill up immediately. */
export const MIN_BYTES: number = 4 << 20
/** Enough to measure, and quickly made and cleared. */
const MAX_BYTES = 64 << 20

/** The target of a measurement. All handles are of the same bytes, and may overwrite them if `kind` allows it. */
export interface BenchTarget extends AsyncDisposable {
  readonly kind: 'temporary file' | 'blank device' | 'reads only'
  /** The reason why nothing is written; absent if something is. */
  readonly reason?: string
  /** The content from before, if there was any. */
  readonly holds?: Holding
  /** Opens it for use in one way; disposing of the handle closes it. */
  open(options: Pick<FileBlockDeviceOptions, 'direct' | 'engine'>): Promise<Handle>
}

/** An open target. */
export interface Handle extends AsyncDisposable {
  readonly device: BlockDevice
  /** The device that it is a part of. */
  readonly whole: OpenedDevice
}

/** The flags of a target. */
export interface BenchTargetFlags extends CommonFlags {
  /** Bytes of a temporary file. */
  readonly size?: number
}

/**
 * Finds a target that can be measured safely: a temporary file in a directory or next to a new path; a part of a
 * blank device; or reads only, on a device with content.
 */
export async function findTarget(
  path: string,
  flags: BenchTargetFlags,
  signal: AbortSignal,
): Promise<BenchTarget> {
  if (!(await isThere(path))) return temporaryFile(dirname(path), flags, signal)
  const isPath = !isNbdUri(path) && (await ringPathOf(path)) === undefined
  if (isPath && (await stat(path)).isDirectory()) {
    return temporaryFile(path, flags, signal)
  }
  if (flags.size !== undefined)
    throw usageError(`--size is for a temporary file, but ${path} exists`)
  const { holds, reason } = await examine(path, flags, signal)
  if (reason === undefined) return blankPart(path, flags, signal)
  const open: BenchTarget['open'] = (options) => openHandle(path, flags, 'read-only', options)
  return { kind: 'reads only', reason, holds, open, [Symbol.asyncDispose]: async () => undefined }
}

async function temporaryFile(
  folder: string,
  flags: BenchTargetFlags,
  signal: AbortSignal,
): Promise<BenchTarget> {
  const { size = MAX_BYTES, sectorSize = 512 } = flags
  if (size < MIN_BYTES || size % sectorSize !== 0) {
    const expected = `at least ${grouped(MIN_BYTES)} bytes in whole sectors of ${sectorSize}`
    throw usageError(`--size: expected ${expected}, found ${grouped(size)}`)
  }
  const path = join(folder, `.sbr-bench-${randomUUID()}`)
  const remove = (): Promise<void> => rm(path, { force: true })
  try {
    await (await createFile(path, size, { sectorSize }, signal)).disconnect()
  } catch (error) {
    await remove()
    throw error
  }
  const open: BenchTarget['open'] = (options) => openHandle(path, flags, 'read-write', options)
  return { kind: 'temporary file', open, [Symbol.asyncDispose]: remove }
}

/** A part of a blank device, for this command alone, which is zeroes again afterwards. */
async function blankPart(
  path: string,
  flags: CommonFlags,
  signal: AbortSignal,
): Promise<BenchTarget> {
  signal.throwIfAborted()
  const held = await openDevice(path, 'read-write', flags, { exclusive: true })
  const target = await holdTarget(held, 'sbr bench')
  try {
    // Checked again while no other program can use it: it may have changed since.
    const { holds, reason, part } = await examineOpen(held, signal)
    if (reason !== undefined || part === undefined) {
      const open: BenchTarget['open'] = (options) => openHandle(path, flags, 'read-only', options)
      const dispose = async (): Promise<void> => target[Symbol.asyncDispose]()
      const why = reason ?? 'it is too small'
      return { kind: 'reads only', reason: why, holds, open, [Symbol.asyncDispose]: dispose }
    }
    const dispose = async (): Promise<void> => {
      try {
        await held.writeZeroes(part.sectorStart, part.sectors, { durable: true })
      } finally {
        await target[Symbol.asyncDispose]()
      }
    }
    const open: BenchTarget['open'] = (options) =>
      isNbdUri(path) ? handleOn(held, part) : openHandle(path, flags, 'read-write', options, part)
    return { kind: 'blank device', holds, open, [Symbol.asyncDispose]: dispose }
  } catch (error) {
    await target[Symbol.asyncDispose]()
    throw error
  }
}

/** The content of an existing device, and why it is not written to. */
interface Found {
  readonly holds: Holding
  readonly reason?: string
  /** The part that may be overwritten; absent if there is none. */
  readonly part?: Part
}

async function examine(path: string, flags: CommonFlags, signal: AbortSignal): Promise<Found> {
  await using device = await openDevice(path, 'auto', flags)
  return await examineOpen(device, signal)
}

async function examineOpen(device: BlockDevice, signal: AbortSignal): Promise<Found> {
  const holds = await holdingOf(device, signal)
  if (holds.kind !== 'blank') return { holds, reason: `it holds ${describeHolding(holds)}` }
  const { readWrite, sectorSize, sizeSectors } = await device.getInfo()
  if (!readWrite) return { holds, reason: 'it is read-only' }
  const part = scratchOf(sectorSize, sizeSectors, MAX_BYTES)
  if (part.sectors * sectorSize < MIN_BYTES) return { holds, reason: 'it is too small' }
  if (!(await isZero(device, part))) return { holds, reason: 'it has data after its start' }
  return { holds, part }
}

/** A part of a connection that stays open: a server may take no second one. */
async function handleOn(whole: OpenedDevice, part: Part): Promise<Handle> {
  const device = await PartitionBlockDevice.open(whole, part)
  return { device, whole, [Symbol.asyncDispose]: async () => undefined }
}

async function openHandle(
  path: string,
  flags: CommonFlags,
  mode: 'read-only' | 'read-write',
  options: Pick<FileBlockDeviceOptions, 'direct' | 'engine'>,
  part?: Part,
): Promise<Handle> {
  const whole =
    isNbdUri(path) || (await ringPathOf(path)) !== undefined
      ? await openDevice(path, mode, flags)
      : await openFile(path, flags, mode, options)
  const device = part === undefined ? whole : await PartitionBlockDevice.open(whole, part)
  return { device, whole, [Symbol.asyncDispose]: () => whole.disconnect() }
}

/** `direct` is a preference: some file systems cannot bypass the page cache. */
async function openFile(
  path: string,
  { sectorSize }: CommonFlags,
  mode: 'read-only' | 'read-write',
  { direct, ...others }: Pick<FileBlockDeviceOptions, 'direct' | 'engine'>,
): Promise<FileBlockDevice> {
  const all = { mode, ...(sectorSize !== undefined && { sectorSize }), ...others }
  try {
    return await FileBlockDevice.open(path, { ...all, direct: direct ?? 'auto' })
  } catch (error) {
    if (!(isBlockError(error) && error.code === 'BLOCK_UNSUPPORTED')) throw error
    return FileBlockDevice.open(path, all)
  }
}
