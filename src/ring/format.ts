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

/** The size of a device, or of one that is still to be created. */
export interface DeviceSize extends Omit<BlockInfo, 'readWrite'> {
  readonly name: string
}

/** The identity of a device's ring, and how far it was written. */
export interface Extent {
  /** Its UUID; undefined in format 1. */
  readonly uuid: string | undefined
  /** The end of the last item. */
  readonly writtenTo: Position
}

/** The part of a format that creates rings. Loaded on demand. */
export interface Creation {
  /**
   * Validates the options as far as that is possible without a device.
   * @throws {RangeError} an option is out of range
   */
  checkOptions(options: CreateOptions): void
  /**
   * Validates the options, and checks that a ring fits.
   * @throws {RangeError} an option is out of range
   * @throws {RingError} `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
   */
  checkSize(size: DeviceSize, options: CreateOptions): void
  createRing(device: BlockDevice, options: CreateOptions): Promise<boolean>
}

/** The size of a batch with these items and bytes, and the offset of its first item. */
export type RoomFor = (
  bytes: number,
  items: number,
) => { readonly bytes: number; readonly front: number }

/**
 * What a writer needs of a producer beyond the public calls. Each format implements it, so that queues need not know
 * the format.
 */
export interface QueueProducer extends Producer {
  /** Room for large items, so that they are copied once and written from there. */
  readonly roomFor: RoomFor
  /** Hints from the consumer. */
  readonly hints: RoleHints
}

/** The result of `attachProducer`. */
export type AttachedProducer =
  | { readonly status: 'attached'; readonly producer: QueueProducer }
  | { readonly status: 'suspended' }

/** An item that may be a view of what was read. */
export interface ItemView extends PoppedItem {
  /** The buffer pinned for the view. */
  readonly pin?: PooledBuffer | undefined
}

/** What a reader needs of a consumer beyond the public calls; see {@link QueueProducer}. */
export interface QueueConsumer extends Consumer {
  /** As `popMany`, with views instead of copies, if the format supports them and they do not pin too much memory. */
  popViews(options: PopManyOptions): Promise<readonly ItemView[]>
  /**
   * True if one position has fewer items before it than the other: after a truncation, the cursor may be of a later
   * epoch than the items after it.
   */
  isBefore(one: Position, other: Position): boolean
  /** True if the item that ends at a position was lost with a cache. */
  isLost(position: Position): boolean
  /** The position from which to pop an item again that was popped from `from`: after the losses before it. */
  startOf(position: Position, from: Position): Position
  /**
   * True if it is worth popping again from a position where the last pop found nothing, judged by the block where the
   * next batch would begin. That block does not show an epoch that begins before it, a granted suspend request, another
   * consumer or another ring, so the slots are compared once every `maxAgeMs`. Always true if a pop costs as little.
   * @param isLikely true if an item is likely: then this reads what the pop needs, which must follow immediately
   */
  mayHaveItems(from: Position, maxAgeMs: number, isLikely: boolean): Promise<boolean>
  /** As `mayHaveItems`, synchronously; true also if the device cannot be read that way. */
  mayHaveItemsNow(from: Position, maxAgeMs: number): boolean
  /** Hints from the producer. */
  readonly hints: RoleHints
  /** As `LogFront.jumps`; 0 in a format without jumps. */
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
