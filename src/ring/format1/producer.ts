import type { BlockDevice } from '../../block/device.ts'
import { readOnly } from '../../block/validate.ts'
import { asPosition, type Position } from '../../position.ts'
import { NO_OPTIONS, signalOf, type WaitingOptions } from '../../util/waiting.ts'
import type { AttachedProducer, QueueProducer, RoomFor } from '../format.ts'
import { pushOne } from '../shared/single-item.ts'
import type { AttachOptions, PushManyResult, PushResult, RingState } from '../types.ts'
import { dataOffset, recordBytes } from './layout.ts'
import { CONSUMER, PRODUCER } from './pointer.ts'
import { encodeRecords, extentOf, runsOf } from './record.ts'
import { type Attachment, attach, Format1Role } from './role.ts'

/** Items are written in extents of about this size. A single larger item is one extent. */
const EXTENT_BYTES = 1 << 20
/** Memory of up to this size is kept for the next extent. */
const RETAINED_BYTES = 2 * EXTENT_BYTES

/**
 * Attaches the producer: grants the consumer's suspend request, and returns a handle if the ring runs.
 * @throws {BlockError} `BLOCK_READ_ONLY`
 * @throws as `attach` in role.ts
 */
export async function attachProducer(
  device: BlockDevice,
  options: AttachOptions,
): Promise<AttachedProducer> {
  if (!(await device.getInfo()).readWrite) throw readOnly(device.name)
  const producer = new Format1Producer(await attach(device, PRODUCER, options))
  try {
    await producer.begin()
    if ((await producer.state()) === 'running') return { status: 'attached', producer }
  } catch (error) {
    await producer.close()
    throw error
  }
  await producer.close()
  return { status: 'suspended' }
}

class Format1Producer extends Format1Role implements QueueProducer {
  /** Records are copied into extents, so they need no room of their own. */
  readonly roomFor: RoomFor = (bytes) => ({ bytes, front: 0 })
  /** The sector in which the pushed items end, unless they end at its boundary: the next push rewrites it. */
  readonly #tailSector: Uint8Array
  readonly #tailBefore: Uint8Array
  /** The ends of pushed items that are not visible yet, ascending. */
  #pending: Position[] = []
  #tail: bigint
  #retained: Uint8Array = new Uint8Array(0)

  constructor(attachment: Attachment) {
    super(attachment, PRODUCER, CONSUMER)
    this.#tail = this.own.offset
    this.#tailSector = this.device.allocate(this.control.layout.sectorSize)
    this.#tailBefore = new Uint8Array(this.#tailSector.length)
  }

  get position(): Position {
    return asPosition(this.#tail)
  }

  override get logOffset(): bigint {
    return this.#tail
  }

  /** Makes what was read while attaching durable, before anything depends on it. */
  async begin(): Promise<void> {
    // Both pointers may be only in a volatile cache.
    await this.flushSeen()
    const { layout } = this.control
    if (this.#tail % BigInt(layout.sectorSize) !== 0n) {
      const { sector } = extentOf(layout, this.#tail, this.#tail)
      await this.device.read(sector, [this.#tailSector])
    }
  }

  state(): Promise<RingState> {
    return this.run(async () => {
      await this.refresh()
      return this.#answerSuspendRequest()
    })
  }

  push(item: Uint8Array, options?: WaitingOptions): Promise<PushResult> {
    return pushOne(this, item, options)
  }

  pushMany(
    items: readonly Uint8Array[],
    options: WaitingOptions = NO_OPTIONS,
  ): Promise<PushManyResult> {
    return this.runWith(items, async (own) => {
      signalOf('Producer.pushMany', options)
      return this.#allOrNothing(() => this.#push(own))
    })
  }

  async #push(items: readonly Uint8Array[]): Promise<PushManyResult> {
    await this.refreshIfStale()
    if ((await this.#answerSuspendRequest()) === 'suspended') return { status: 'suspended' }
    const count = await this.#fitting(items)
    if (count === 0 && items.length > 0) return { status: 'retry' }
    await this.#write(count === items.length ? items : items.slice(0, count))
    const positions = this.#pending.slice(this.#pending.length - count)
    return { status: 'ok', pushed: count, position: this.position, positions }
  }

  append(
    items: readonly Uint8Array[],
    options: WaitingOptions = NO_OPTIONS,
  ): Promise<PushManyResult> {
    return this.runWith(items, async (own) => {
      signalOf('Producer.append', options)
      return this.#allOrNothing(async () => {
        const pushed = await this.#push(own)
        if (pushed.status === 'ok' && pushed.pushed > 0) await this.#advance(pushed.position)
        return pushed
      })
    })
  }

  advance(position: Position, options: WaitingOptions = NO_OPTIONS): Promise<void> {
    return this.run(async () => {
      signalOf('Producer.advance', options)
      return this.#advance(position)
    })
  }

  async #advance(position: Position): Promise<void> {
    if (position <= this.own.offset) return
    const visible = indexOf(this.#pending, position)
    if (visible < 0) {
      throw new RangeError(
        `position ${position} was not returned by a push of this handle (visible up to ` +
          `${this.own.offset}, pushed up to ${this.#tail})`,
      )
    }
    await this.refreshBeforeWrite()
    await this.writeOwn({ offset: position, flag: this.own.flag })
    this.#pending = this.#pending.slice(visible + 1)
  }

  async #answerSuspendRequest(): Promise<RingState> {
    if (this.other.flag !== this.own.flag) {
      await this.refreshBeforeWrite()
      await this.writeOwn({ offset: this.own.offset, flag: this.other.flag })
    }
    return this.own.flag ? 'suspended' : 'running'
  }

  /**
   * Reverts the pushes of an operation that failed, so that no later call makes them visible. A failed write has
   * already ended the handle.
   */
  async #allOrNothing<T>(operation: () => Promise<T>): Promise<T> {
    const tail = this.#tail
    const pushed = this.#pending.length
    this.#tailBefore.set(this.#tailSector)
    try {
      return await operation()
    } catch (error) {
      this.#tail = tail
      this.#pending.length = Math.min(pushed, this.#pending.length)
      this.#tailSector.set(this.#tailBefore)
      throw error
    }
  }

  /** The number of leading items that fit. */
  async #fitting(items: readonly Uint8Array[]): Promise<number> {
    let bytes = 0
    let count = 0
    for (const item of items) {
      bytes += recordBytes(item.length)
      if (!(await this.#hasRoom(bytes))) break
      count++
    }
    return count
  }

  /** True if `bytes` fit after the tail, after a refresh if necessary. */
  async #hasRoom(bytes: number): Promise<boolean> {
    const needed = this.#tail + BigInt(bytes) - BigInt(this.capacityBytes)
    if (needed <= this.durable) return true
    if (needed > this.other.offset || this.isForgotten) await this.refresh()
    if (needed > this.other.offset) return false
    // The consumer's pointer may be only in a volatile cache. If we overwrote the space and the power failed, the old
    // pointer would return and point into our bytes.
    await this.flushSeen()
    return true
  }

  /** Writes the items after the tail, durably: in one durable write, or in several and a flush. */
  async #write(items: readonly Uint8Array[]): Promise<void> {
    for (let done = 0; done < items.length; ) {
      const batch = extentItems(items, done)
      done += batch.length
      const runs = await this.#encode(batch)
      const durable = runs.length === 1 && batch.length === items.length
      for (const run of runs) {
        await this.poisonOnFailure(this.device.write(run.sector, [run.bytes], { durable }))
      }
      if (!durable && done === items.length) await this.poisonOnFailure(this.device.flush())
    }
  }

  /** Encodes items after the tail, and moves it. */
  async #encode(items: readonly Uint8Array[]): Promise<ReturnType<typeof runsOf>> {
    const { layout } = this.control
    const { sectorSize } = layout
    const start = this.#tail
    for (const item of items) {
      this.#tail += BigInt(recordBytes(item.length))
      this.#pending.push(asPosition(this.#tail))
    }
    const end = this.#tail
    const extent = extentOf(layout, start, end)
    const bytes = this.#scratch(extent.sectors * sectorSize)
    const lead = dataOffset(layout, start) % sectorSize
    const used = dataOffset(layout, end) % sectorSize
    const length = lead + Number(end - start)
    // A record may fill the ring from within a sector, and so end in the sector in which it begins.
    const lastAt = (length - used) % bytes.length
    const lastSector = bytes.subarray(lastAt, lastAt + sectorSize)
    if (used > 0 && length <= bytes.length) await this.#fillAfter(lastSector, used, end)
    if (lead > 0) bytes.set(this.#tailSector.subarray(0, lead))
    encodeRecords(bytes, lead, items)
    if (used > 0) this.#tailSector.set(lastSector)
    return runsOf(layout, extent, bytes)
  }

  /** Restores the rest of the last sector: zeroes, or in a nearly full ring the bytes of the oldest items. */
  async #fillAfter(sector: Uint8Array, used: number, end: bigint): Promise<void> {
    const live = this.durable + BigInt(this.capacityBytes)
    if (end + BigInt(sector.length - used) > live) {
      await this.device.read(extentOf(this.control.layout, end, end).sector, [sector])
    } else {
      sector.fill(0, used)
    }
  }

  /** Memory for one extent, reused by the next. */
  #scratch(bytes: number): Uint8Array {
    if (bytes > RETAINED_BYTES) return this.device.allocate(bytes)
    if (this.#retained.length < bytes) {
      const size = Math.min(RETAINED_BYTES, 2 ** Math.ceil(Math.log2(bytes)))
      this.#retained = this.device.allocate(size)
    }
    return this.#retained.subarray(0, bytes)
  }
}

/** The items from `start` on that form one extent: at least one, and at most `EXTENT_BYTES`. */
function extentItems(items: readonly Uint8Array[], start: number): readonly Uint8Array[] {
  let bytes = 0
  const over = items.findIndex((item, index) => {
    if (index < start) return false
    bytes += recordBytes(item.length)
    return index > start && bytes > EXTENT_BYTES
  })
  if (start === 0 && over < 0) return items
  return items.slice(start, over < 0 ? items.length : over)
}

/** The index of a value in an ascending array; -1 if it is missing. */
function indexOf(ascending: readonly bigint[], value: bigint): number {
  let low = 0
  let high = ascending.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((ascending[middle] as bigint) < value) low = middle + 1
    else high = middle
  }
  return low < ascending.length && ascending[low] === value ? low : -1
}
