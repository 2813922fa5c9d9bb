import type { BlockDevice } from '../block/device.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  Consumer,
  CreateOptions,
  Producer,
} from '../ring/types.ts'
import type { FaultKind } from './faults.ts'
import type { Random } from './random.ts'

/** What the oracle holds a ring to, under a mix of faults. */
export interface Promises {
  /**
   * Nothing acknowledged is lost, reordered or repeated; nothing is invented or visible before its `advance`; what
   * was advanced past is not delivered again; an empty answer means that nothing acknowledged waits; a pause that
   * was acknowledged holds; and once the faults end, all of it can be drained and the ring used on.
   */
  readonly lossless: boolean
  /** Every item that is delivered was pushed, byte for byte, and those of one handle are in the order of pushing. */
  readonly authentic: boolean
  /** Codes of the errors that may be thrown. `RING_POISONED` may always follow another error of a handle. */
  readonly errors: ReadonlySet<string>
  /** Attaching alone ends older handles of the role. Otherwise the first `advance` of the new handle does. */
  readonly attachTakesOver: boolean
  /** Requests that attaching may make at most. */
  readonly attachRequests: number
}

/** What a simulated disk looks like. */
export interface Shape {
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly physicalSectorSize: number
}

/** How much waits in a ring, as far as it can tell. */
export interface Depth {
  readonly items?: number
  readonly bytes?: number
}

/** A ring, as the simulator uses it. */
export interface RingUnderTest {
  /** How `--format` names it. */
  readonly name: string
  create(device: BlockDevice, options?: CreateOptions): Promise<boolean>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  attachConsumer(device: BlockDevice, options: AttachOptions): Promise<Consumer>
  /** What it promises when these faults can happen. */
  promises(faults: ReadonlySet<FaultKind>): Promises
  /** A disk that is small enough for everything to wrap around often. */
  shape(random: Random, tornSector: boolean): Shape
  /** How much waits, read from the device, if the ring can tell. */
  depth?(device: BlockDevice, roles: { producer: Producer; consumer: Consumer }): Promise<Depth>
  /** What an item adds to `depth`'s bytes. */
  depthBytes?(itemBytes: number): number
}
