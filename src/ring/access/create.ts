import { claimCreator } from '../../block/creator-claim.ts'
import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import type { OptionKinds } from '../../util/options.ts'
import type { Creation, DeviceSize } from '../format.ts'
import { NEW_RING_KINDS } from '../new-ring-kinds.ts'
import { refusePool } from '../shared/detect.ts'
import { keyOf } from '../shared/key.ts'
import type { CreateOptions } from '../types.ts'
import { formatNumbered } from './formats.ts'

/** Types of the options of `Producer.create`. */
export const CREATE_KINDS: OptionKinds<CreateOptions> = {
  ...NEW_RING_KINDS,
  eraseOther: 'boolean',
}

/** The format of new rings. */
const DEFAULT_FORMAT = 2

async function creationOf({ format = DEFAULT_FORMAT }: CreateOptions): Promise<Creation> {
  return await (await formatNumbered(format)).creation()
}

/**
 * Checks that a ring would fit, before anything is created or erased.
 * @throws {RangeError} an option is out of range
 * @throws {RingError} `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
 */
export async function checkSize(size: DeviceSize, options: CreateOptions = {}): Promise<void> {
  const creation = await creationOf(options)
  creation.checkSize(size, options)
}

/**
 * As `Producer.create`.
 * @returns whether a ring was created
 * @param options names and types are validated already
 */
export async function createRing(device: BlockDevice, options: CreateOptions): Promise<boolean> {
  const creation = await creationOf(options)
  creation.checkOptions(options)
  return await alone(device, options.clock, async () => {
    await refusePool(device)
    return await creation.createRing(device, options)
  })
}

/**
 * Runs `create` while no other program on this machine creates a ring there. Otherwise one could find no ring and
 * overwrite the other's, which may have items by then.
 */
async function alone<T>(
  device: BlockDevice,
  clock: Clock | undefined,
  create: () => Promise<T>,
): Promise<T> {
  if (!device.capabilities.claim) return create()
  const claim = await claimCreator(device, { key: keyOf(device), clock })
  try {
    return await create()
  } finally {
    await claim.release()
  }
}
