import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import type { Position } from '../../position.ts'
import type { QueueConsumer } from '../../ring/format.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  ConsumerOptions,
  PoppedItem,
  Producer,
} from '../../ring/types.ts'
import type { FaultKind } from '../world/faults.ts'
import type { Random } from '../world/random.ts'

/** The guarantees that the oracle checks, under a mix of faults. */
export interface Guarantees {
  /**
   * Nothing acknowledged is lost, reordered or repeated; nothing is invented or visible before its `advance`; what
   * was advanced past is not delivered again; an empty answer means that nothing committed is left; a granted
   * pause holds; and once the faults end, everything can be drained and the ring works.
   */
  readonly lossless: boolean
  /**
   * Items may be missing that were overwritten or damaged, although it is lossless: exactly as many as the ring
   * reports, and after damage those of the last commit without a report. After damage, acknowledged items may come
   * again.
   */
  readonly losses: { readonly overwritten: boolean; readonly damaged: boolean }
  /** The most items reported as damaged at once. */
  readonly damagedAtOnce: number
  /** Every item that is delivered was pushed, byte for byte, and those of one handle are in the order of pushing. */
  readonly authentic: boolean
  /** Codes of the errors that may be thrown. `RING_POISONED` may always follow another error of a handle. */
  readonly errors: ReadonlySet<string>
  /** Attaching alone ends older handles of the role. Otherwise the first `advance` of the new handle does. */
  readonly attachTakesOver: boolean
  /** A handle that made no request for this long, in milliseconds, makes none before it is used again. */
  readonly quietMs: number
  /** Requests that attaching may make at most. */
  readonly attachRequests: number
}

/** A simulated disk. */
export interface Shape {
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly physicalSectorSize: number
  /** Bytes in a block of the ring, if that is not the sector. */
  readonly blockSize?: number
}

/** How much is unacknowledged in a ring, as far as the ring knows. */
export interface Depth {
  readonly items?: number
  readonly bytes?: number
}

/** What the adversary sees. */
export interface Sight {
  /** The device, byte for byte. */
  readonly image: Uint8Array
  readonly shape: Shape
  readonly producer: Producer
}

/** An adversary that supplies items. */
export interface Supplier {
  /** Chooses the content of items that are about to be pushed, except for the bytes that number them. */
  plant(items: readonly Uint8Array[], sight: Sight, random: Random): void
  /**
   * Checks what the device holds at any time.
   * @param mayHaveFlipped whether bits of it can have flipped
   * @throws {Violation}
   */
  check(image: Uint8Array, mayHaveFlipped: boolean): void
}

/** A ring, as the simulator uses it. */
export interface RingUnderTest {
  /** Its name for `--format`. */
  readonly name: string
  /** Makes the ring; false if there is one. */
  create(device: BlockDevice, shape: Shape, clock: Clock): Promise<boolean>
  /** Leaves the remains of an earlier ring on the disk, for another one to be created over. */
  use?(device: BlockDevice, shape: Shape, clock: Clock, random: Random): Promise<void>
  /** Attaches as the producer. */
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  /** Attaches as the consumer. */
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<QueueConsumer>
  /** The guarantees that hold when these faults can happen. */
  guarantees(faults: ReadonlySet<FaultKind>): Guarantees
  /** A disk so small that everything wraps around often. */
  shape(random: Random, tornSector: boolean): Shape
  /** How much is unacknowledged, read from the device, if the ring knows. */
  depth?(device: BlockDevice): Promise<Depth>
  /** The items on the device, newest first, if the ring can tell: the unacknowledged ones, or the acknowledged ones. */
  past?(device: BlockDevice, which: 'waiting' | 'consumed'): AsyncIterable<PoppedItem>
  /** The number of items up to a position, if positions say so. */
  itemsUpTo?(position: Position): number
  /** Set if a `RingReader` consumes, which acknowledges in any order: entry by entry, or by calls of `process`. */
  readonly reader?: 'entries' | 'work'
  /** The adversary that supplies the items, if there is one. */
  readonly supplier?: Supplier
  /** How much an item adds to the bytes of `depth`. */
  depthBytes?(itemBytes: number): number
}
