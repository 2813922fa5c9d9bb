import type { BlockDevice, BlockInfo } from '../block/device.ts'
import type { Position } from '../position.ts'
import type { InspectOptions, RingInspection } from './inspection.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  Consumer,
  ConsumerOptions,
  CreateOptions,
} from './types.ts'

/** A device, or the size of one that is still to be made. */
export interface DeviceSize extends Omit<BlockInfo, 'readWrite'> {
  readonly name: string
}

/** Which ring a device has, and how far it was written. */
export interface Extent {
  /** Its UUID; undefined in format 1. */
  readonly uuid: string | undefined
  /** The end of the last item. */
  readonly writtenTo: Position
}

/** What makes rings of a format: loaded when one is made. */
export interface Creation {
  /**
   * Checks what can be checked of the options without a device.
   * @throws {RangeError} an option is out of range
   */
  checkOptions(options: CreateOptions): void
  /**
   * Checks the options, and that a ring fits.
   * @throws {RangeError} an option is out of range
   * @throws {RingError} `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
   */
  checkSize(size: DeviceSize, options: CreateOptions): void
  createRing(device: BlockDevice, options: CreateOptions): Promise<boolean>
}

/** What each format implements; see `attach.ts` for what each method does and throws. */
export interface Format {
  creation(): Promise<Creation>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<Consumer>
  inspect(device: BlockDevice, options?: InspectOptions): Promise<RingInspection>
  extent(consumer: Consumer, signal: AbortSignal | undefined): Promise<Extent>
}
