import type { PooledBuffer } from '../block/buffer-pool.ts'
import type { BlockDevice, BlockInfo } from '../block/device.ts'
import type { Position } from '../position.ts'
import type { RoleHints } from './hints.ts'
import type { InspectOptions, RingInspection } from './inspection.ts'
import type {
  AttachOptions,
  Consumer,
  ConsumerOptions,
  CreateOptions,
  PopManyOptions,
  PoppedItem,
  Producer,
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

/** The size of a batch with this many items and bytes, and where the first item begins in it. */
export type RoomFor = (
  bytes: number,
  items: number,
) => { readonly bytes: number; readonly front: number }

/** What a writer asks of a producer beside its public calls. Each format answers for itself, so that no queue asks which format it has. */
export interface QueueProducer extends Producer {
  /** Of the memory in which large items are kept, so that they are written from there. */
  readonly roomFor: RoomFor
  /** Of the consumer. */
  readonly hints: RoleHints
}

/** What `attachProducer` returns. */
export type AttachedProducer =
  | { readonly status: 'attached'; readonly producer: QueueProducer }
  | { readonly status: 'suspended' }

/** An item that may be a view of what was read. */
export interface ItemView extends PoppedItem {
  /** What is pinned for the view, until it is unpinned. */
  readonly pin?: PooledBuffer | undefined
}

/** What a reader asks of a consumer beside its public calls; as {@link QueueProducer}. */
export interface QueueConsumer extends Consumer {
  /** As `popMany`, with views instead of copies, if the format has them and not too much memory is pinned by them. */
  popViews(options: PopManyOptions): Promise<readonly ItemView[]>
  /** True if one position is before another, by the items up to them: a truncation can put the cursor into a later epoch than the items after it. */
  isBefore(one: Position, other: Position): boolean
  /** True if the item that ends at a position was lost with a cache. */
  isLost(position: Position): boolean
  /** Where to pop an item again that was popped from `from`: after what was lost before it. */
  startOf(position: Position, from: Position): Position
  /**
   * True if it is worth popping again from a position where the last pop found nothing: by what is where the next batch would begin. That does
   * not show an epoch that begins before it, an acknowledged pause, another consumer or another ring; so once in `maxAgeMs` it looks whether
   * the slots have changed. True where a pop is as cheap.
   * @param isLikely whether there is reason to expect an item: then this reads what the pop needs, which has to follow immediately
   */
  mayHaveNews(from: Position, maxAgeMs: number, isLikely: boolean): Promise<boolean>
  /** True if `mayHaveNews` would say no, found out synchronously; false if the device cannot be read that way. */
  hasNoNewsNow(from: Position, maxAgeMs: number): boolean
  /** Of the producer. */
  readonly hints: RoleHints
  /** As `LogFront.jumps`; 0 where nothing is jumped over. */
  readonly jumps: number
}

/** What each format implements; see `attach.ts` for what each method does and throws. */
export interface Format {
  creation(): Promise<Creation>
  attachProducer(device: BlockDevice, options: AttachOptions): Promise<AttachedProducer>
  attachConsumer(device: BlockDevice, options: ConsumerOptions): Promise<QueueConsumer>
  inspect(device: BlockDevice, options?: InspectOptions): Promise<RingInspection>
  extent(consumer: Consumer, signal: AbortSignal | undefined): Promise<Extent>
}
