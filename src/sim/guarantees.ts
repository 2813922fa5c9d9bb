import type { BlockDevice } from '../block/device.ts'
import type { Clock } from '../clock.ts'
import type { Position } from '../position.ts'
import type {
  AttachOptions,
  AttachProducerResult,
  Consumer,
  ConsumerOptions,
  PoppedItem,
  Producer,
} from '../ring/types.ts'
import type { FaultKind } from './faults.ts'
import type { Random } from './random.ts'

/** What the oracle holds a ring to, under a mix of faults. */
export interface Guarantees {
  /**
   * Nothing acknowledged is lost, reordered or repeated; nothing is invented or visible before its `advance`; what
   * was advanced past is not delivered again; an empty answer means that nothing acknowledged waits; a pause that
   * was acknowledged holds; and once the faults end, all of it can be drained and the ring used on.
   */
  readonly lossless: boolean
  /**
   * Items may be missing that were overwritten or damaged, although it is lossless: exactly as many as the ring says, and
   * after damage those of the last commit without a word. What was given back may come again after damage.
   */
  readonly losses: { readonly overwritten: boolean; readonly damaged: boolean }
  /** How many items are told to be damaged at once, at most. */
  readonly damagedAtOnce: number
  /** Every item that is delivered was pushed, byte for byte, and those of one handle are in the order of pushing. */
  readonly authentic: boolean
  /** Codes of the errors that may be thrown. `RING_POISONED` may always follow another error of a handle. */
  readonly errors: ReadonlySet<string>
  /** Attaching alone ends older handles of the role. Otherwise the first `advance` of the new handle does. */
  readonly attachTakesOver: boolean
  /** A handle that made no request for so long, in milliseconds, makes none before it is used again. */
  readonly quietMs: number
  /** Requests that attaching may make at most. */
  readonly attachRequests: number
}

/** What a simulated disk looks like. */
export interface Shape {
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly physicalSectorSize: number
  /** Bytes in a block of the ring, if that is not the sector. */
  readonly blockSize?: number
}

/** How much waits in a ring, as far as it can tell. */
export interface Depth {
  readonly items?: number
  readonly bytes?: number
}

/** What a supplier sees. */
export interface Sight {
  /** The device, byte for byte. */
  readonly image: Uint8Array
  readonly shape: Shape
  readonly producer: Producer
}

/** An adversary who supplies items. */
export interface Supplier {
  /** Chooses what items hold, but for the bytes that number them. They are about to be pushed. */
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
  /** How `--format` names it. */
  readonly name: string
  create(device: BlockDevice, shape: Shape, clock: Clock): Promise<boolean>
  /** Leaves the remains of an earlier ring on the disk, as they are when another is created in its place. */
  use?(device: BlockDevice, shape: Shape, clock: Clock, random: Random): Promise<void>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachProducerResult>
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<Consumer>
  /** What it promises when these faults can happen. */
  guarantees(faults: ReadonlySet<FaultKind>): Guarantees
  /** A disk that is small enough for everything to wrap around often. */
  shape(random: Random, tornSector: boolean): Shape
  /** How much waits, read from the device, if the ring can tell. */
  depth?(device: BlockDevice): Promise<Depth>
  /** The items that are on the device, newest first, if the ring can tell: those that wait, or those that were given back. */
  past?(device: BlockDevice, which: 'waiting' | 'consumed'): AsyncIterable<PoppedItem>
  /** How many items there were up to a position, if positions tell. */
  itemsUpTo?(position: Position): number
  /** Whether a `RingReader` consumes, which acknowledges in any order. */
  readonly reader?: boolean
  /** Who supplies the items, if that is an adversary. */
  readonly supplier?: Supplier
  /** What an item adds to `depth`'s bytes. */
  depthBytes?(itemBytes: number): number
}
