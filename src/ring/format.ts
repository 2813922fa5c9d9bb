import type { BlockDevice } from '../block/device.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  Consumer,
  ConsumerOptions,
  CreateOptions,
  RingInspection,
} from './types.ts'

/** What every format offers; see `ring.ts` for what each does and throws. */
export interface Format {
  createRing(device: BlockDevice, options: CreateOptions): Promise<boolean>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<Consumer>
  inspect(device: BlockDevice): Promise<RingInspection>
}
