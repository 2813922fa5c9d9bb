import type { BlockDevice } from '../../block/device.ts'
import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { isRingError } from '../../errors.ts'
import { Lazy } from '../../util/lazy.ts'
import type { Extent, Format } from '../format.ts'
import { format2 } from '../format2/index.ts'
import type { InspectOptions, RingInspection } from '../inspection.ts'
import type { LeaseOptions } from '../lease-types.ts'
import { checkAttachOptions } from '../shared/attach-options.ts'
import { detectFormat } from '../shared/detect.ts'
import type * as types from '../types.ts'
import { formatNumbered } from './formats.ts'

/** Only inspecting with `salvage` needs it. */
const salvaging = new Lazy(() => import('./salvage.ts'))
/** Most roles are never leased. */
const leases = new Lazy(() => import('../format2/lease/leased-role.ts'))
const creation = new Lazy(() => import('./create.ts'))

/**
 * Checks how a role is to be leased, so that nothing is sent to the device for options that are refused.
 * @throws {TypeError | RangeError} an option is out of range
 */
export async function checkLease(lease: LeaseOptions): Promise<void> {
  ;(await leases.load()).checkLeaseOptions(lease)
}

async function formatToAttach(device: BlockDevice, options: types.AttachOptions): Promise<Format> {
  checkAttachOptions(options)
  if (options.lease !== undefined) await checkLease(options.lease)
  const format = await detectFormat(device)
  if (format === 1 && options.lease !== undefined) await refuseLeases(device)
  return await formatNumbered(format)
}

/**
 * The refusal of leases on a device that has no ring of format 2.
 * @throws {RangeError} it has a ring of format 1
 * @throws {RingError} as `inspectRing`, if it has none, or a damaged one
 */
export async function refuseLeases(device: BlockDevice): Promise<never> {
  await (await formatNumbered(1)).inspect(device)
  throw new RangeError(`the ring on ${device.name} is of format 1, which has no leases`)
}

/**
 * The end that pushes; see `Producer.attach`.
 *
 * @interface
 */
export type Producer = types.Producer

/** Makes the end that pushes. */
export const Producer: {
  /**
   * Creates a ring on a blank device. An existing ring is not changed.
   * @returns whether a ring was created
   * @throws {RangeError} an option is out of range
   * @throws {RingError} `RING_NOT_BLANK` without `eraseOther`; `RING_IS_POOL`; `RING_DEVICE_TOO_SMALL`; `RING_PARTIAL_SECTOR` in
   *   format 1
   */
  create(device: BlockDevice, options?: types.CreateOptions): Promise<boolean>
  /**
   * Takes the producer's role. If the consumer requests a pause, this acknowledges it, and there is no handle.
   * @throws {BlockError} `BLOCK_CLAIMED`, which names the holder on this machine; `BLOCK_READ_ONLY`
   * @throws {RangeError} an option is out of range, or a lease is wanted on a ring of format 1
   * @throws {RingError} `RING_NOT_INITIALISED`, `RING_IS_POOL`, `RING_CORRUPT`, `RING_UNSTABLE`; `RING_DEVICE_TOO_SMALL`, also if the
   *   device has shrunk; `RING_PARTIAL_SECTOR` in format 1; `RING_LEASED` if another host holds the role
   */
  attach(device: BlockDevice, options?: types.AttachOptions): Promise<types.AttachProducerResult>
} = {
  create: async (device, options = {}) => {
    return await (await creation.load()).createRing(device, options)
  },
  attach: async (device, options = {}) =>
    (await formatToAttach(device, options)).attachProducer(device, options),
}

/**
 * The end that pops; see `Consumer.attach`.
 *
 * @interface
 */
export type Consumer = types.Consumer

/** Makes the end that pops. */
export const Consumer: {
  /**
   * Takes the consumer's role.
   * @throws as `Producer.attach`
   */
  attach(device: BlockDevice, options?: types.ConsumerOptions): Promise<types.Consumer>
} = {
  attach: async (device, options = {}) =>
    (await formatToAttach(device, options)).attachConsumer(device, options),
}

/**
 * Reads a ring's state without taking a role. Changes nothing, and works while both sides run.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`, `RING_CORRUPT`, `RING_UNSTABLE`
 */
export async function inspectRing(
  device: BlockDevice,
  options: InspectOptions = {},
): Promise<RingInspection> {
  if (options.salvage !== true) {
    const format = await formatNumbered(await detectFormat(device))
    return await format.inspect(device, options)
  }
  const { salvage, unreadableBytes } = salvaging.value ?? (await salvaging.load())
  return await salvage(device, async (readable, format) => {
    // In format 1, zeroes in place of unreadable sectors would pass for records.
    if (format === 1) return (await formatNumbered(1)).inspect(device, options)
    const state = await format2.inspect(readable, options)
    const unreadable = await unreadableBytes(readable)
    return { ...state, unreadable, items: () => itemsOf(readable, state) }
  })
}

/**
 * Which ring a device has, and how far it was written: no item that is written later is at or before `writtenTo` in the same epoch, and none
 * that was there lies beyond, unless this consumer has to jump to it (`LogFront.jumps`). Unlike `inspectRing` it does not search behind the
 * end of the log for what damage hides, which reads 12 MiB. Changes nothing, takes no role, and works while both sides run.
 * @throws {RingError} as `inspectRing`
 * @throws the signal's reason
 */
export async function ringExtent(
  consumer: types.Consumer,
  signal: AbortSignal | undefined,
): Promise<Extent> {
  const format = await formatNumbered(await detectFormat(consumer.device))
  return await format.extent(consumer, signal)
}

/** The readable items; then the error of the unreadable ones, so that a caller does not mistake the readable items for all. */
async function* itemsOf(
  readable: SalvageBlockDevice,
  state: RingInspection,
): AsyncGenerator<types.PoppedItem> {
  try {
    yield* state.items()
  } catch (error) {
    throw isRingError(error) && readable.failure !== undefined ? readable.failure : error
  }
  if (readable.failure !== undefined) throw readable.failure
}
