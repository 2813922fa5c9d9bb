import type { BlockDevice } from '../../block/device.ts'
import { foldMapped } from '../../block/ops/index.ts'
import { grouped } from '../../text/render.ts'
import { CommandError, EXIT } from '../errors.ts'
import type { CommonFlags } from '../flags/flags.ts'
import { showProgress } from '../output/progress.ts'
import { type ForceFlags, type OpenedDevice, openDevice, overwriting } from './device.ts'
import { describeHolding, holdingOf } from './device-content.ts'
import { takeRoles } from './take-roles.ts'
import { checkWhole } from './whole-sectors.ts'

/** A device that is going to be overwritten, for this command alone. */
export interface Target<Device extends BlockDevice = OpenedDevice> extends AsyncDisposable {
  readonly device: Device
}

/** Opens an existing device, unless a program uses it. */
export async function openTarget(
  path: string,
  flags: CommonFlags & ForceFlags,
  holder: string,
): Promise<Target> {
  const target = await holdTarget(
    await openDevice(path, 'read-write', flags, overwriting(flags)),
    holder,
  )
  try {
    await checkWhole(target.device)
    return target
  } catch (error) {
    await target[Symbol.asyncDispose]()
    throw error
  }
}

/** Excludes all other programs from a device that was opened exclusively. */
export async function holdTarget<Device extends BlockDevice>(
  device: Device,
  holder: string,
): Promise<Target<Device>> {
  try {
    const roles = await takeRoles(device, holder)
    return {
      device,
      [Symbol.asyncDispose]: async () => {
        await roles[Symbol.asyncDispose]()
        await device.disconnect()
      },
    }
  } catch (error) {
    await device.disconnect()
    throw error
  }
}

/**
 * Reads the whole device: a disk with a wiped start may still have valuable content.
 * @throws {CommandError} it has content; nothing was written
 */
export async function checkNothingIsLost(device: BlockDevice, signal: AbortSignal): Promise<void> {
  const holding = await holdingOf(device, signal)
  if (holding.kind !== 'blank') throw notBlank(device, describeHolding(holding))
  const { sectorSize } = await device.getInfo()
  using progress = showProgress('checking that it is blank')
  await foldMapped(
    device,
    undefined,
    (_, { sectorStart, bytes }) => {
      const at = firstNonZero(bytes)
      if (at === undefined) return undefined
      const offset = sectorStart * sectorSize + at
      throw notBlank(device, `data (the first byte that is not zero is at ${grouped(offset)})`)
    },
    { onProgress: progress.update, signal },
  )
}

let zeroes = Buffer.alloc(0)

function firstNonZero(bytes: Uint8Array): number | undefined {
  if (zeroes.length < bytes.length) zeroes = Buffer.alloc(bytes.length)
  if (zeroes.subarray(0, bytes.length).equals(bytes)) return undefined
  return bytes.findIndex((byte) => byte !== 0)
}

function notBlank({ name }: BlockDevice, found: string): CommandError {
  const message = `${name} holds ${found}; nothing was written. To destroy that: --force`
  const details = { device: name, expected: 'zeroes', found }
  return new CommandError(EXIT.fault, 'CLI_NOT_BLANK', message, details)
}
