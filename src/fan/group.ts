import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import { type Clock, MAX_TIMER_MS, systemClock } from '../clock.ts'
import { bytes } from '../codec/bytes.ts'
import type { Codec } from '../codec/codec.ts'
import { isBlockError, isRingError, RingError } from '../errors.ts'
import { checkLease } from '../ring/access/attach.ts'
import type { AwaitedRing } from '../ring/queue/await-ring.ts'
import type { Handler, ProcessOptions, ProcessSummary } from '../ring/queue/process/types.ts'
import { internalsOf, RingReader } from '../ring/queue/reader.ts'
import {
  checkReaderOptions,
  type ReaderOptions,
  type ReceiveOptions,
} from '../ring/queue/reader-options.ts'
import { firstAborted, untilAborted } from '../util/abort.ts'
import { Lazy } from '../util/lazy.ts'
import { checkRange } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import type { WaitingOptions } from '../util/waiting.ts'
import { checkList } from './arguments.ts'
import { endFanIn, FanIn, type Received } from './fan-in.ts'
import { type Seating, Seats } from './seats.ts'

const awaiting = new Lazy(() => import('../ring/queue/await-ring.ts'))

const CHECK_MS = 500
/** The pause before a ring that could not be opened is tried again. */
const RETRY_MS = 5000
/** The most rings that are opened at the same time; those that take longer than a check do not count. */
const OPENING = 8

/**
 * Options of joining a group. An exception in a callback ends the group: it releases its rings, and `receive`,
 * `entries` and `process` throw the exception.
 */
export interface GroupOptions<Out> {
  /**
   * Options of opening each ring; with a `lease` for each, the group's machines exclude each other too. With
   * `waitForRing`, a ring that does not exist yet is looked for at each check. Once the `signal` is aborted, no more
   * rings are taken.
   */
  readonly reader?: ReaderOptions<Out>
  /** The interval of checks for members of the group, in milliseconds. Default 500. */
  readonly checkIntervalMs?: number
  /** Called when this program has taken a ring. */
  readonly onTaken?: (reader: RingReader<Out>) => void
  /** Called when it has released one. */
  readonly onReleased?: (device: BlockDevice) => void
  /**
   * Called when a ring fails, or fails to open for another reason than that another member has it; it is retried after
   * 5 s. After a `CodecError` of `receive` the ring continues after that item. Default: `receive` throws that error,
   * and any other ends the group.
   */
  readonly onFailed?: (error: unknown, device: BlockDevice) => void
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

const KINDS: OptionKinds<GroupOptions<never>> = {
  reader: 'object',
  checkIntervalMs: 'number',
  onTaken: 'function',
  onReleased: 'function',
  onFailed: 'function',
  clock: 'object',
}

/** The number of rings that a member should have. The shares add up to all rings, and differ by at most one. */
export function shareOf(rings: number, { members, rank }: Seating): number {
  return Math.floor(rings / members) + (rank < rings % members ? 1 : 0)
}

/**
 * A member of a group: programs on one machine that share some rings. Each ring has one consumer at a time; the members
 * have equal shares, and rings move when members join and leave. It opens a reader for each ring that it takes, and
 * closes it; the devices belong to the caller.
 *
 * - A member has a ring if it holds the consumer's role, so no two members ever have the same one.
 * - At each check it counts the taken seats, which gives its share of the rings; then it releases or takes rings.
 * - It releases a ring only once all delivered items are acknowledged, or acknowledging has failed for good.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { text } from 'shared-block-ring/codec'
 * import { Group } from 'shared-block-ring/fan'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true, codec: text })
 * await writer.push('order 7')
 * await using group = await Group.open([device], { reader: { codec: text } })
 * const { entry } = await group.receive()
 * console.log(entry.item) // order 7
 * await entry.ack()
 * ```
 */
export class Group<Out> implements AsyncDisposable {
  readonly #devices: readonly BlockDevice[]
  readonly #seats: Seats
  readonly #options: GroupOptions<Out>
  readonly #clock: Clock
  readonly #fan: FanIn<Out>
  /** The rings that this member has. */
  readonly #held = new Map<BlockDevice, RingReader<Out>>()
  /** Rings that are being opened, and at which check that began. */
  readonly #opening = new Map<
    BlockDevice,
    { readonly check: number; readonly done: Promise<void> }
  >()
  readonly #releasing = new Map<BlockDevice, Promise<void>>()
  /** The time of the next attempt to open a ring that failed. */
  readonly #retryAt = new Map<BlockDevice, number>()
  /** Rings that do not exist yet and are waited for. */
  readonly #awaited = new Map<BlockDevice, AwaitedRing>()
  readonly #closing = new AbortController()
  readonly #checking: Promise<void>
  #checks = 0
  #seating: Seating = { members: 1, rank: 0 }
  /** Rings that were not tried since the last check. */
  #untried: Iterator<BlockDevice> = [].values()
  #failure: { readonly error: unknown } | undefined
  #closed: Promise<void> | undefined

  private constructor(devices: readonly BlockDevice[], seats: Seats, options: GroupOptions<Out>) {
    this.#devices = devices
    this.#seats = seats
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#fan = new FanIn<Out>([], { onFailed: (error, reader) => this.#failed(error, reader) })
    this.#checking = this.#check(options.checkIntervalMs ?? CHECK_MS)
  }

  /**
   * Joins a group. All members name the same rings in the same order.
   *
   * - A ring moves once its delivered items are acknowledged: by `process`, or by the program that received them.
   * - When a member dies, the others take its rings, and unacknowledged items are delivered again, in order.
   * @throws {TypeError} an option is unknown or has the wrong type; there is no ring, or the same device twice
   * @throws {RangeError} an option is out of range; the group has 32 members already
   * @throws {BlockError} `BLOCK_UNSUPPORTED`: the first device has no claims
   */
  static async open<Out = Uint8Array>(
    rings: Iterable<BlockDevice>,
    options: GroupOptions<Out> = {},
  ): Promise<Group<Out>> {
    checkOptions('Group.open', options, KINDS)
    const { reader = {} } = options
    checkReaderOptions('Group.open, reader', reader)
    if (reader.lease !== undefined) await checkLease(reader.lease)
    checkList('Group.open', 'block devices', rings)
    const devices = [...rings]
    for (const device of devices) checkDevice('Group.open', device)
    const [first] = devices
    if (first === undefined) throw new TypeError('Group.open takes at least one ring')
    if (new Set(devices).size < devices.length) throw new TypeError('each ring is one device')
    checkRange({ checkIntervalMs: options.checkIntervalMs ?? CHECK_MS }, 1, MAX_TIMER_MS)
    const seats = new Seats(first, `a member of a group of ${devices.length} rings`)
    await seats.take()
    return new Group(devices, seats, options)
  }

  /** The readers of the rings that this member has now. */
  get readers(): readonly RingReader<Out>[] {
    return this.#fan.readers
  }

  /** The number of members at the last check, this one included. */
  get members(): number {
    return this.#seating.members
  }

  /**
   * The next entry of any ring that this member has, as soon as there is one.
   * @throws {CodecError} without an `onFailed`, as `RingReader.receive`
   * @throws {RingError} `RING_CLOSED` when this was closed
   * @throws what ended the group: what a callback threw; or without an `onFailed`, why a ring failed
   * @throws the signal's reason
   */
  async receive(options: WaitingOptions = {}): Promise<Received<Out>> {
    return await this.#untilFailed(this.#fan.receive(options))
  }

  /**
   * The next entries of all rings that this member has, at least one, as `FanIn.receiveMany`.
   * @throws as `receive`; entries before an error are answered first
   */
  async receiveMany(options: ReceiveOptions = {}): Promise<readonly Received<Out>[]> {
    return await this.#untilFailed(this.#fan.receiveMany(options))
  }

  /**
   * The next entry, if any ring that this member has has one now.
   * @throws as `receive`
   */
  async tryReceive(): Promise<Received<Out> | undefined> {
    return await this.#untilFailed(this.#fan.tryReceive())
  }

  /**
   * The next entries of the rings that this member has, if there are some now; else none.
   * @throws as `receiveMany`
   */
  async tryReceiveMany(options: ReceiveOptions = {}): Promise<readonly Received<Out>[]> {
    return await this.#untilFailed(this.#fan.tryReceiveMany(options))
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<Received<Out>, void, undefined> {
    return this.entries()
  }

  /**
   * One entry after the other, waiting for more. Ends, without an error, when the signal is aborted or this is closed.
   * @throws as `receive`
   */
  async *entries(options: WaitingOptions = {}): AsyncGenerator<Received<Out>, void, undefined> {
    yield* this.#fan.entries(options)
    if (this.#failure !== undefined && options.signal?.aborted !== true) throw this.#failure.error
  }

  /**
   * Calls a handler for the items of this member's rings, as `FanIn.process` does. When a ring has to move, its running
   * handlers have `graceMs` to end.
   * @throws as `FanIn.process`; with an `onFailed`, that gets the errors of single rings instead
   * @throws what ended the group, as `receive`
   */
  async process(handler: Handler<Out>, options: ProcessOptions<Out> = {}): Promise<ProcessSummary> {
    return await this.#untilFailed(this.#fan.process(handler, options))
  }

  /**
   * Leaves the group and releases the rings; unacknowledged items are delivered to others. Never fails; can be called
   * again.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** @throws what ended the group, in place of what that did to a call */
  async #untilFailed<T>(call: Promise<T>): Promise<T> {
    try {
      return await call
    } catch (error) {
      throw this.#failure === undefined ? error : this.#failure.error
    }
  }

  async #close(): Promise<void> {
    const closed = new RingError('RING_CLOSED', 'The group was closed', {})
    this.#closing.abort(closed)
    await this.#checking
    await Promise.all([...this.#opening.values()].map(({ done }) => done))
    await endFanIn(this.#fan, closed)
    await Promise.all(this.#releasing.values())
    for (const [device, reader] of this.#held) await this.#release(device, reader)
    await this.#seats.leave()
  }

  async #check(everyMs: number): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        this.#seating = await this.#seats.count()
        if (!signal.aborted) this.#divide()
      } catch (error) {
        const [first] = this.#devices
        if (first !== undefined) this.#report(error, first)
      }
      await this.#clock.sleep(everyMs, signal).catch(() => undefined)
    }
  }

  /** This member's share: how many rings it should have. */
  get #share(): number {
    return shareOf(this.#devices.length, this.#seating)
  }

  /** The rings that it has and is not releasing, oldest first. */
  #kept(): readonly (readonly [BlockDevice, RingReader<Out>])[] {
    return [...this.#held].filter(([device]) => !this.#releasing.has(device))
  }

  /** Releases rings beyond its share, and takes rings that are missing from it. */
  #divide(): void {
    for (const [device, reader] of this.#kept()) {
      // The program has closed the reader, so no member has the ring.
      if (internalsOf(reader).closing.aborted)
        this.#releasing.set(device, this.#drop(device, reader))
    }
    for (const [device, reader] of this.#kept().slice(this.#share)) {
      const released = this.#handOver(device, reader).finally(() => this.#releasing.delete(device))
      this.#releasing.set(device, released)
    }
    this.#checks++
    this.#untried = this.#inOrder()
    this.#take()
  }

  /**
   * The rings in the order in which this member tries them: each member starts elsewhere, so that they do not all try
   * the same ones.
   */
  #inOrder(): Iterator<BlockDevice> {
    const { members, rank } = this.#seating
    const start = Math.floor((rank * this.#devices.length) / members)
    return [...this.#devices.slice(start), ...this.#devices.slice(0, start)].values()
  }

  /**
   * Tries the rings that others may have released, until it has its share. A ring whose opening takes longer than a
   * check (a lease of a dead host does) is not counted: it is opened in parallel, and released if it turns out to be
   * one too many.
   */
  #take(): void {
    const now = this.#clock.now()
    while (!this.#closing.signal.aborted) {
      const opening = [...this.#opening.values()].filter(({ check }) => check >= this.#checks - 1)
      const isEnough = this.#kept().length + opening.length >= this.#share
      if (isEnough || opening.length >= OPENING) return
      const { value: device } = this.#untried.next()
      if (device === undefined) return
      const isBusy = this.#held.has(device) || this.#opening.has(device)
      if (isBusy || (this.#retryAt.get(device) ?? 0) > now) continue
      const done = this.#open(device).finally(() => {
        this.#opening.delete(device)
        this.#take()
      })
      this.#opening.set(device, { check: this.#checks, done })
    }
  }

  async #open(device: BlockDevice): Promise<void> {
    const { reader: how = {}, onTaken } = this.#options
    const { signal, end } = firstAborted(this.#closing.signal, how.signal)
    let reader: RingReader<Out>
    try {
      if (how.waitForRing === true && !(await this.#hasArrived(device, signal))) return
      const codec = how.codec ?? (bytes as Codec<Out & Uint8Array, never>)
      reader = await RingReader.open<Out>(device, { ...how, codec, signal, waitForRing: false })
    } catch (error) {
      if (isHeld(error) || signal.aborted) return
      this.#retryAt.set(device, this.#clock.now() + RETRY_MS)
      this.#report(error, device)
      return
    } finally {
      end()
    }
    // The member has left since, and `onTaken` was not called for this ring.
    if (this.#closing.signal.aborted) return reader.close()
    this.#held.set(device, reader)
    this.#fan.add(reader)
    this.#call(() => onTaken?.(reader))
  }

  /** True if there is a ring on a device that may still be blank. It does not wait: the next check tries it again. */
  async #hasArrived(device: BlockDevice, signal: AbortSignal): Promise<boolean> {
    const { AwaitedRing } = awaiting.value ?? (await awaiting.load())
    const awaited = this.#awaited.get(device) ?? new AwaitedRing(device, this.#clock)
    this.#awaited.set(device, awaited)
    if (!(await awaited.exists(signal))) return false
    this.#awaited.delete(device)
    return true
  }

  /** Releases a ring for others, once all delivered items are acknowledged. */
  async #handOver(device: BlockDevice, reader: RingReader<Out>): Promise<void> {
    await this.#fan.remove(reader)
    await this.#acknowledged(reader)
    await this.#release(device, reader)
  }

  async #release(device: BlockDevice, reader: RingReader<Out>): Promise<void> {
    this.#held.delete(device)
    await reader.close()
    this.#call(() => this.#options.onReleased?.(device))
  }

  async #drop(device: BlockDevice, reader: RingReader<Out>): Promise<void> {
    await this.#fan.remove(reader)
    await this.#release(device, reader)
    this.#releasing.delete(device)
  }

  /**
   * Waits until everything before the reader's position is acknowledged; entries after it were taken back. A reader
   * that is closed, or whose write failed, acknowledges nothing more: the next member delivers the rest again.
   */
  async #acknowledged(reader: RingReader<Out>): Promise<void> {
    const { oldest, watch, closing, hasEnded } = internalsOf(reader)
    const { signal } = this.#closing
    const isWanted = (): boolean => {
      const begun = oldest()
      return begun !== undefined && begun <= reader.position && !hasEnded()
    }
    while (isWanted()) {
      let wake = (): void => undefined
      const changed = new Promise<void>((resolve) => {
        wake = resolve
      })
      const unwatch = watch(wake)
      await untilAborted(changed, signal, closing).catch(() => undefined)
      unwatch()
      if (signal.aborted || closing.aborted) return
    }
  }

  #failed(error: unknown, reader: RingReader<Out>): void {
    // The program has closed it, which is no failure: the next check releases the ring.
    if (isRingError(error) && error.code === 'RING_CLOSED') return
    const [device] = [...this.#held].find(([, held]) => held === reader) ?? []
    if (device === undefined) return
    // After an item that does not decode, the ring stays with this member.
    const goesOn = this.#fan.readers.includes(reader)
    if (goesOn && this.#options.onFailed === undefined) throw error
    this.#report(error, device)
    if (goesOn) return
    this.#retryAt.set(device, this.#clock.now() + RETRY_MS)
    if (this.#releasing.has(device)) {
      // It is moving already: nothing more will be acknowledged.
      void reader.close()
      return
    }
    const released = this.#release(device, reader).finally(() => this.#releasing.delete(device))
    this.#releasing.set(device, released)
  }

  /** Reports an error of a single ring. */
  #report(error: unknown, device: BlockDevice): void {
    const { onFailed } = this.#options
    if (onFailed === undefined) this.#end(error)
    else this.#call(() => onFailed(error, device))
  }

  /** Calls back; an exception ends the group. */
  #call(callback: () => void): void {
    try {
      callback()
    } catch (error) {
      this.#end(error)
    }
  }

  /** Leaves the group; waiting calls, or the next one, throw the error. */
  #end(error: unknown): void {
    this.#failure ??= { error }
    void this.close()
  }
}

/** True if another member has a ring. */
function isHeld(error: unknown): boolean {
  if (isBlockError(error)) return error.code === 'BLOCK_CLAIMED'
  return isRingError(error) && error.code === 'RING_LEASED'
}
