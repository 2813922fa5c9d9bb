import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import { type Clock, systemClock } from '../clock.ts'
import { bytes } from '../codec/bytes.ts'
import type { Codec } from '../codec/codec.ts'
import { isBlockError, isRingError, RingError } from '../errors.ts'
import { checkRange, MAX_TIMER_MS } from '../jobs/backoff.ts'
import type { Handler, ProcessOptions, ProcessSummary } from '../jobs/types.ts'
import { insideOf, type ReaderOptions, RingReader } from '../ring/queue/reader.ts'
import type { WaitingOptions } from '../ring/queue/writer.ts'
import { untilAborted } from '../util/abort.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { type FanIn, type Received, receiveFrom } from './fan-in.ts'
import { type Seating, Seats } from './seats.ts'

const CHECK_MS = 500
/** How long a ring that could not be opened is left alone. */
const RETRY_MS = 5000
/** Rings that are opened at the same time. */
const OPENING = 8

/** How a program takes part in a group. */
export interface GroupOptions<Out> {
  /** How each ring is opened; with a `lease` for each, the group's machines exclude each other too. */
  readonly reader?: ReaderOptions<Out>
  /** How often it looks who is in the group, in milliseconds. Default 500. */
  readonly checkMs?: number
  /** Called when this program has a ring. */
  readonly onTaken?: (reader: RingReader<Out>) => void
  /** Called when it has given one back. */
  readonly onReleased?: (device: BlockDevice) => void
  /**
   * Called when a ring cannot be opened, but for one that somebody else has, and when it fails; it is tried again after 5 s. Without it
   * the group goes on with the other rings all the same, and says nothing.
   */
  readonly onFailed?: (error: unknown, device: BlockDevice) => void
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

const KINDS: OptionKinds<GroupOptions<never>> = {
  reader: 'object',
  checkMs: 'number',
  onTaken: 'function',
  onReleased: 'function',
  onFailed: 'function',
  clock: 'object',
}

/**
 * Takes part in a group: programs on one machine that share some rings. Each ring has one consumer at a time; the members have equal
 * shares, and rings move when members come and go. All members name the same rings in the same order.
 *
 * - A ring moves once what was begun of it is acknowledged: by `process`, or by the program for what it received.
 * - When a member dies, its rings are taken by the others, and what was not acknowledged is delivered again, in order.
 * @throws {TypeError} there is no such option or it has another type; there is no ring, or twice the same device
 * @throws {RangeError} an option is out of range; the group has 32 members already
 * @throws {BlockError} `BLOCK_UNSUPPORTED`: the first device has no claims
 */
export async function joinGroup<Out = Uint8Array>(
  rings: Iterable<BlockDevice>,
  options: GroupOptions<Out> = {},
): Promise<Group<Out>> {
  checkOptions('joinGroup', options, KINDS)
  const devices = [...rings]
  for (const device of devices) checkDevice('joinGroup', device)
  const [first] = devices
  if (first === undefined) throw new TypeError('joinGroup takes at least one ring')
  if (new Set(devices).size < devices.length) throw new TypeError('each ring is one device')
  checkRange({ checkMs: options.checkMs ?? CHECK_MS }, 1, MAX_TIMER_MS)
  const seats = new Seats(first, `a member of a group of ${devices.length} rings`)
  await seats.take()
  return new Group(devices, seats, options)
}

/** How many rings a member is to have: all together have all, and nobody two more than another. */
export function shareOf(rings: number, { members, rank }: Seating): number {
  return Math.floor(rings / members) + (rank < rings % members ? 1 : 0)
}

/** A member of a group, as {@link joinGroup} made it. */
export class Group<Out> implements AsyncDisposable {
  readonly #devices: readonly BlockDevice[]
  readonly #seats: Seats
  readonly #options: GroupOptions<Out>
  readonly #clock: Clock
  readonly #fan: FanIn<Out>
  /** The rings that this member has. */
  readonly #held = new Map<BlockDevice, RingReader<Out>>()
  readonly #opening = new Set<BlockDevice>()
  readonly #releasing = new Map<BlockDevice, Promise<void>>()
  /** When a ring that could not be opened is tried again. */
  readonly #retryAt = new Map<BlockDevice, number>()
  readonly #closing = new AbortController()
  readonly #checking: Promise<void>
  #taking: Promise<void> | undefined
  #seating: Seating = { members: 1, rank: 0 }

  /** Use {@link joinGroup}. */
  constructor(devices: readonly BlockDevice[], seats: Seats, options: GroupOptions<Out>) {
    this.#devices = devices
    this.#seats = seats
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#fan = receiveFrom<Out>([], { onFailed: (error, reader) => this.#failed(error, reader) })
    this.#checking = this.#check(options.checkMs ?? CHECK_MS)
  }

  /** The readers of the rings that this member has now. */
  get readers(): readonly RingReader<Out>[] {
    return this.#fan.readers
  }

  /** How many members the group had at the last look, this one included. */
  get members(): number {
    return this.#seating.members
  }

  /**
   * The next entry of any ring that this member has, as soon as there is one.
   * @throws {RingError} `RING_CLOSED` when this was closed
   * @throws the signal's reason
   */
  receive(options: WaitingOptions = {}): Promise<Received<Out>> {
    return this.#fan.receive(options)
  }

  /** As `entries`, without a signal. */
  [Symbol.asyncIterator](): AsyncGenerator<Received<Out>, void, undefined> {
    return this.entries()
  }

  /** One entry after the other, waiting for more. Ends, without an error, when the signal is aborted or this is closed. */
  entries(options: WaitingOptions = {}): AsyncGenerator<Received<Out>, void, undefined> {
    return this.#fan.entries(options)
  }

  /**
   * Has a handler called for the items of the rings that this member has, as `FanIn.process`. When a ring is to move, its handlers under way
   * have `graceMs` to end.
   * @throws as `FanIn.process`, but nothing that only one ring is about: `onFailed` is told of that
   */
  process(handler: Handler<Out>, options: ProcessOptions<Out> = {}): Promise<ProcessSummary> {
    return this.#fan.process(handler, options)
  }

  /** Leaves the group and gives the rings back; what was not acknowledged is delivered to others. Never fails; can be called again. */
  async close(): Promise<void> {
    this.#closing.abort(new RingError('RING_CLOSED', 'The member has left the group', {}))
    await this.#checking
    await this.#taking
    await this.#fan.close()
    await Promise.all(this.#releasing.values())
    for (const [device, reader] of this.#held) await this.#giveBack(device, reader)
    await this.#seats.leave()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #check(everyMs: number): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        this.#seating = await this.#seats.look()
        if (!signal.aborted) this.#divide(shareOf(this.#devices.length, this.#seating))
      } catch (error) {
        const [first] = this.#devices
        if (first !== undefined) this.#options.onFailed?.(error, first)
      }
      await this.#clock.sleep(everyMs, signal).catch(() => undefined)
    }
  }

  /** The rings that it has and is not giving back, the one that it has had longest first. */
  #kept(): readonly (readonly [BlockDevice, RingReader<Out>])[] {
    return [...this.#held].filter(([device]) => !this.#releasing.has(device))
  }

  /** Gives back what is more than its share, and takes what is missing. */
  #divide(share: number): void {
    for (const [device, reader] of this.#kept().slice(share)) {
      const released = this.#release(device, reader).finally(() => this.#releasing.delete(device))
      this.#releasing.set(device, released)
    }
    this.#taking ??= this.#take(share).finally(() => {
      this.#taking = undefined
    })
  }

  /** Tries the rings that others may have given back, until it has its share. */
  async #take(share: number): Promise<void> {
    const isMissing = (): boolean =>
      this.#kept().length + this.#opening.size < share && !this.#closing.signal.aborted
    const now = this.#clock.now()
    const { members, rank } = this.#seating
    // Each begins elsewhere: they would all try the same ones.
    const start = Math.floor((rank * this.#devices.length) / members)
    const candidates = [...this.#devices.slice(start), ...this.#devices.slice(0, start)]
      .filter((device) => !this.#held.has(device) && (this.#retryAt.get(device) ?? 0) <= now)
      .values()
    const tryNext = async (): Promise<void> => {
      while (isMissing()) {
        const { value: device } = candidates.next()
        if (device === undefined) return
        this.#opening.add(device)
        await this.#open(device)
        this.#opening.delete(device)
      }
    }
    await Promise.all(Array.from({ length: OPENING }, tryNext))
  }

  async #open(device: BlockDevice): Promise<void> {
    const { reader: how = {}, onTaken } = this.#options
    const { signal } = this.#closing
    let reader: RingReader<Out>
    try {
      const codec = how.codec ?? (bytes as Codec<Out & Uint8Array, never>)
      reader = await RingReader.open<Out>(device, { ...how, codec, signal: how.signal ?? signal })
    } catch (error) {
      if (isHeld(error) || signal.aborted) return
      this.#retryAt.set(device, this.#clock.now() + RETRY_MS)
      this.#options.onFailed?.(error, device)
      return
    }
    this.#held.set(device, reader)
    if (signal.aborted) return
    this.#fan.add(reader)
    onTaken?.(reader)
  }

  /** Gives a ring to others, once all that was begun of it is acknowledged. */
  async #release(device: BlockDevice, reader: RingReader<Out>): Promise<void> {
    await this.#fan.remove(reader)
    await this.#acknowledged(reader)
    await this.#giveBack(device, reader)
  }

  async #giveBack(device: BlockDevice, reader: RingReader<Out>): Promise<void> {
    this.#held.delete(device)
    await reader.close()
    this.#options.onReleased?.(device)
  }

  /**
   * Waits until everything before the reader's position is acknowledged: what it delivered after that was taken back. A reader that is
   * closed acknowledges no more.
   */
  async #acknowledged(reader: RingReader<Out>): Promise<void> {
    const { oldest, watch, closing } = insideOf(reader)
    const { signal } = this.#closing
    for (let begun = oldest(); begun !== undefined && begun <= reader.position; begun = oldest()) {
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
    const [device] = [...this.#held].find(([, held]) => held === reader) ?? []
    if (device === undefined) return
    this.#options.onFailed?.(error, device)
    // An item that does not decode leaves the ring where it is.
    if (this.#fan.readers.includes(reader)) return
    this.#retryAt.set(device, this.#clock.now() + RETRY_MS)
    if (this.#releasing.has(device)) {
      // It moves already: nothing of it will be acknowledged any more.
      void reader.close()
      return
    }
    const released = this.#giveBack(device, reader).finally(() => this.#releasing.delete(device))
    this.#releasing.set(device, released)
  }
}

/** Whether somebody else has a ring. */
function isHeld(error: unknown): boolean {
  if (isBlockError(error)) return error.code === 'BLOCK_CLAIMED'
  return isRingError(error) && error.code === 'RING_LEASED'
}
