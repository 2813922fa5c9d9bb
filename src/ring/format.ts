import type { BlockDevice } from '../block/device.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  Consumer,
  ConsumerOptions,
  CreateOptions,
  InspectOptions,
  RingInspection,
} from './types.ts'

/** A device that is there, or is to be made. */
export interface DeviceSize {
  readonly name: string
  readonly sectorSize: number
  readonly sizeSectors: number
}

/** What every format offers; see `ring.ts` for what each does and throws. */
export interface Format {
  /**
   * Checks that a ring fits.
   * @throws {RingError} `RING_DEVICE_TOO_SMALL`
   */
  checkSize(size: DeviceSize, options: CreateOptions): void
  createRing(device: BlockDevice, options: CreateOptions): Promise<boolean>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<Consumer>
  inspect(device: BlockDevice, options?: InspectOptions): Promise<RingInspection>
}
