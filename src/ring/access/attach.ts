import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { Lazy } from '../../util/lazy.ts'
import type { AttachedProducer, Format, QueueConsumer } from '../format.ts'
import type { LeaseOptions } from '../lease-types.ts'
import { ATTACH_KINDS, CONSUMER_KINDS, checkAttachOptions } from '../shared/attach-options.ts'
import { detectFormat } from '../shared/detect.ts'
import type * as types from '../types.ts'
import { formatNumbered } from './formats.ts'

/** Loaded on demand: most roles are never leased. */
const leases = new Lazy(() => import('../format2/lease/leased-role.ts'))
const creation = new Lazy(() => import('./create.ts'))

/**
 * Validates the options of a lease before anything is sent to the device.
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

/** Attaches the producer. The caller has validated the names and types of the options: see `Producer.attach`. */
export async function attachProducer(
  device: BlockDevice,
  options: types.AttachOptions,
): Promise<AttachedProducer> {
  return (await formatToAttach(device, options)).attachProducer(device, options)
}

/** As `attachProducer`, for the consumer. */
export async function attachConsumer(
  device: BlockDevice,
  options: types.ConsumerOptions,
): Promise<QueueConsumer> {
  return (await formatToAttach(device, options)).attachConsumer(device, options)
}

/**
 * Refuses a lease on a device without a ring of format 2.
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

/** Creates rings and producers. */
export const Producer: {
  /**
   * Creates a ring on a blank device. An existing ring is not changed.
   * @throws {TypeError | RangeError} an option is out of range
   * @throws {RingError} `RING_NOT_BLANK` without `eraseOther`; `RING_IS_POOL`; `RING_DEVICE_TOO_SMALL`;
   *   `RING_PARTIAL_SECTOR` in format 1
   */
  create(device: BlockDevice, options?: types.CreateOptions): Promise<types.Created>
  /**
   * Takes the producer's role. If the consumer requests a pause, this grants it, and there is no handle.
   * @throws {BlockError} `BLOCK_CLAIMED`, which names the holder on this machine; `BLOCK_READ_ONLY`
   * @throws {RangeError} an option is out of range, or a lease is wanted on a ring of format 1
   * @throws {RingError} `RING_NOT_INITIALISED`, `RING_IS_POOL`, `RING_CORRUPT`, `RING_UNSTABLE`;
   *   `RING_DEVICE_TOO_SMALL`, also if the device has shrunk; `RING_PARTIAL_SECTOR` in format 1; `RING_LEASED` if
   *   another host holds the role
   */
  attach(device: BlockDevice, options?: types.AttachOptions): Promise<types.AttachProducerResult>
} = {
  create: async (device, options = {}) => {
    const { CREATE_KINDS, createRing } = await creation.load()
    checkCall('Producer.create', device, options, CREATE_KINDS)
    return { created: await createRing(device, options) }
  },
  attach: async (device, options = {}) => {
    checkCall('Producer.attach', device, options, ATTACH_KINDS)
    return attachProducer(device, options)
  },
}

/**
 * The end that pops; see `Consumer.attach`.
 *
 * @interface
 */
export type Consumer = types.Consumer

/** Creates consumers. */
export const Consumer: {
  /**
   * Takes the consumer's role.
   * @throws as `Producer.attach`
   */
  attach(device: BlockDevice, options?: types.ConsumerOptions): Promise<types.Consumer>
} = {
  attach: async (device, options = {}) => {
    checkCall('Consumer.attach', device, options, CONSUMER_KINDS)
    return attachConsumer(device, options)
  },
}
