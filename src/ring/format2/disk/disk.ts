import type { BlockDevice, BlockInfo } from '../../../block/device.ts'
import { readScratch } from '../../../block/scratch.ts'
import { crc32c } from '../../../checksum/crc32c.ts'
import type { RingError } from '../../../errors.ts'
import { Lazy } from '../../../util/lazy.ts'
import { NO_NAMES } from '../../names.ts'
import type { Names } from '../../types.ts'
import type { BadBlock } from './block.ts'
import { identifyRing } from './identify.ts'
import { type Layout, makeLayout } from './layout.ts'
import type { SeenSlots } from './seen-slots.ts'
import {
  type ConsumerSlot,
  consumerSlotMisfit,
  encodeConsumerSlot,
  encodeProducerSlot,
  type ProducerSlot,
  parseConsumerSlot,
  parseProducerSlot,
  producerSlotMisfit,
  type SlotIndex,
  type Slots,
} from './slots.ts'
import type { Superblock } from './superblock.ts'
import { traceProducer, traceSlots } from './trace-slots.ts'

export const diskErrors: Lazy<typeof import('./disk-errors.ts')> = new Lazy(
  () => import('./disk-errors.ts'),
)

/** Memory for synchronous reads, whose results are used before the next one. */
let memory = new Uint8Array(0)

/** Adjacent blocks on the device. */
interface AdjacentBlocks {
  readonly sector: number
  readonly bytes: Uint8Array
}

/** Reads and writes the blocks of a format 2 ring. */
export class Disk {
  readonly device: BlockDevice
  readonly ring: Superblock
  readonly layout: Layout
  /** Checksum of the ring's identity, which every batch repeats. */
  readonly uuid: number
  /** The names of the role that uses this disk. */
  readonly names: Names
  readonly #sectorSize: number
  #blockMemory: Uint8Array | undefined
  #headMemory: Uint8Array | undefined

  constructor(
    device: BlockDevice,
    ring: Superblock,
    layout: Layout,
    info: BlockInfo,
    names: Names,
  ) {
    this.device = device
    this.ring = ring
    this.layout = layout
    this.uuid = crc32c(ring.uuid)
    this.names = names
    this.#sectorSize = info.sectorSize
  }

  /**
   * @throws {RingError} `RING_NOT_INITIALISED`; `RING_CORRUPT` if no superblock is valid, or they are of several
   *   rings; `RING_UNSUPPORTED`;
   *   `RING_DEVICE_TOO_SMALL` if the device shrank; `RING_SECTOR_SIZE` if its sectors are larger than the ring's blocks
   */
  static async open(device: BlockDevice, names: Names = NO_NAMES): Promise<Disk> {
    // Read once: a device may grow meanwhile.
    const info = await device.getInfo()
    return Disk.#of(device, await identifyRing(device, info), info, names)
  }

  /**
   * Opens the ring of a given superblock.
   * @throws {RingError} `RING_CORRUPT`, `RING_DEVICE_TOO_SMALL`, `RING_SECTOR_SIZE`
   */
  static async of(device: BlockDevice, ring: Superblock): Promise<Disk> {
    return Disk.#of(device, ring, await device.getInfo(), NO_NAMES)
  }

  static async #of(
    device: BlockDevice,
    ring: Superblock,
    info: BlockInfo,
    names: Names,
  ): Promise<Disk> {
    const { sectorSize, sizeSectors } = info
    const found = sizeSectors * sectorSize
    if (found < ring.deviceBytes) {
      const { shrunk } = diskErrors.value ?? (await diskErrors.load())
      throw shrunk(ring, found, device.name)
    }
    const layout = makeLayout(ring.blockSize, ring.deviceBytes, device.name)
    const isWhole = ring.blockSize % sectorSize === 0
    const isSame = ring.dataOffset === layout.dataOffset && ring.dataBlocks === layout.dataBlocks
    if (isWhole && isSame) return new Disk(device, ring, layout, info, names)
    const { misfit } = diskErrors.value ?? (await diskErrors.load())
    throw misfit(ring, layout, sectorSize, device.name)
  }

  /**
   * Reads all four slots in one request.
   * @param seen records the slots' headers
   */
  readSlots(seen?: SeenSlots): Promise<Slots> {
    return this.#withSlots((bytes) => {
      seen?.set(bytes)
      return this.slotsIn(bytes)
    })
  }

  /** True if the slots' headers are unchanged. Damage within a slot may go unnoticed. */
  hasSameSlots(seen: SeenSlots): Promise<boolean> {
    return this.#withSlots((bytes) => seen.isSame(bytes))
  }

  /** As `hasSameSlots`, synchronously; false also if the device cannot be read that way. */
  hasSameSlotsNow(seen: SeenSlots): boolean {
    const { offset, bytes } = this.layout.slots
    const found = this.readNow(offset, bytes)
    return found !== undefined && seen.isSame(found)
  }

  #withSlots<T>(use: (bytes: Uint8Array) => T): Promise<T> {
    const { offset, bytes } = this.layout.slots
    return readScratch(this.device, this.sectorOf(offset), bytes, use)
  }

  /** Parses the four slots, as read in one request. */
  slotsIn(bytes: Uint8Array): Slots {
    const { slots, producerSlots, consumerSlots, blockSize } = this.layout
    const at = (offset: number): Uint8Array =>
      bytes.subarray(offset - slots.offset, offset - slots.offset + blockSize)
    const { uuid } = this.ring
    const [p0, p1] = producerSlots
    const [c0, c1] = consumerSlots
    const read: Slots = {
      producer: [
        parseProducerSlot(at(p0), p0, uuid, this.layout),
        parseProducerSlot(at(p1), p1, uuid, this.layout),
      ],
      consumer: [
        parseConsumerSlot(at(c0), c0, uuid, this.layout),
        parseConsumerSlot(at(c1), c1, uuid, this.layout),
      ],
    }
    traceSlots(read, this.names, this.device.name)
    return read
  }

  /**
   * Writes a slot. It is on stable storage when this resolves.
   * @throws {RingError} `RING_EXHAUSTED` if readers would refuse it; nothing was written
   */
  async writeProducerSlot(which: SlotIndex, slot: ProducerSlot): Promise<void> {
    const misfit = producerSlotMisfit(slot, this.layout)
    if (misfit !== undefined) throw await exhausted(this.device.name, misfit)
    const offset = this.layout.producerSlots[which]
    traceProducer('set', slot, this.names, this.device.name)
    await this.#writeSlot(offset, (block) =>
      encodeProducerSlot(block, offset, this.ring.uuid, slot),
    )
  }

  /** As `writeProducerSlot`. */
  async writeConsumerSlot(which: SlotIndex, slot: ConsumerSlot): Promise<void> {
    const misfit = consumerSlotMisfit(slot, this.layout)
    if (misfit !== undefined) throw await exhausted(this.device.name, misfit)
    const offset = this.layout.consumerSlots[which]
    await this.#writeSlot(offset, (block) =>
      encodeConsumerSlot(block, offset, this.ring.uuid, slot),
    )
  }

  /** Reuses memory as `readSlots` does, but not after a failure. */
  async #writeSlot(offset: number, encode: (block: Uint8Array) => void): Promise<void> {
    const block = this.#blockMemory ?? this.device.allocate(this.layout.blockSize)
    this.#blockMemory = undefined
    encode(block)
    await this.device.write(this.sectorOf(offset), [block], { durable: true })
    this.#blockMemory = block
  }

  /** Reads blocks of the log, at most one lap. */
  async readBlocks(lsn: number, blocks: number): Promise<Uint8Array> {
    const bytes = this.device.allocate(blocks * this.layout.blockSize)
    await this.readInto(lsn, bytes)
    return bytes
  }

  /** As `readBlocks`, into given memory. */
  async readInto(lsn: number, bytes: Uint8Array): Promise<void> {
    for (const { sector, bytes: part } of this.#adjacent(lsn, bytes))
      await this.device.read(sector, [part])
  }

  /** Reads the first sector of a block of the log, into memory that the next call may reuse. */
  async readHead(lsn: number): Promise<Uint8Array> {
    const bytes = this.#headMemory ?? this.device.allocate(this.#sectorSize)
    this.#headMemory = undefined
    await this.device.read(this.sectorOf(this.offsetOf(lsn)), [bytes])
    this.#headMemory = bytes
    return bytes
  }

  /** As `readHead`, synchronously; undefined if the device cannot be read that way. */
  readHeadNow(lsn: number): Uint8Array | undefined {
    return this.readNow(this.offsetOf(lsn), this.#sectorSize)
  }

  /**
   * Reads bytes synchronously, into memory that the next such call reuses, for any ring; undefined if the device cannot
   * be read that way.
   */
  readNow(offset: number, bytes: number): Uint8Array | undefined {
    if (memory.length < bytes) memory = new Uint8Array(bytes)
    const found = memory.subarray(0, bytes)
    try {
      return this.device.readNow?.(this.sectorOf(offset), found) ? found : undefined
    } catch {
      // An error would end the turn in which readers of other devices check too. The next `read` rejects with it.
      return undefined
    }
  }

  /** Writes blocks of the log: one write, unless they wrap. They are on stable storage when this resolves. */
  writeBlocks(lsn: number, bytes: Uint8Array): Promise<void> {
    const [first, second] = this.#adjacent(lsn, bytes)
    const written = this.#write(first)
    // Each write is durable by itself: a flush at the end would not reveal that storage had lost the first one.
    return second === undefined ? written : written.then(() => this.#write(second))
  }

  #write({ sector, bytes }: AdjacentBlocks): Promise<void> {
    return this.device.write(sector, [bytes], { durable: true })
  }

  /** The device offset of a block of the log, in bytes. */
  offsetOf(lsn: number): number {
    const { dataOffset, dataBlocks, blockSize } = this.layout
    return dataOffset + (lsn % dataBlocks) * blockSize
  }

  /** One range, or two if the log wraps. */
  #adjacent(lsn: number, bytes: Uint8Array): readonly [AdjacentBlocks, ...AdjacentBlocks[]] {
    const { dataOffset, dataBlocks, blockSize } = this.layout
    const untilEnd = (dataBlocks - (lsn % dataBlocks)) * blockSize
    const sector = this.sectorOf(this.offsetOf(lsn))
    if (bytes.length <= untilEnd) return [{ sector, bytes }]
    return [
      { sector, bytes: bytes.subarray(0, untilEnd) },
      { sector: this.sectorOf(dataOffset), bytes: bytes.subarray(untilEnd) },
    ]
  }

  /** The sector at a device offset in bytes. */
  sectorOf(offset: number): number {
    return offset / this.#sectorSize
  }
}

/** As `diskErrors.exhausted`. */
export async function exhausted(device: string, misfit: BadBlock): Promise<RingError> {
  return (diskErrors.value ?? (await diskErrors.load())).exhausted(device, misfit)
}
