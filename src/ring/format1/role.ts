import type { BlockClaim, BlockDevice } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { isBlockError, RingError } from '../../errors.ts'
import { Serial } from '../../serial.ts'
import type { AttachOptions, DebugInfo, Role } from '../types.ts'
import { Control, type Pointers } from './control.ts'
import { maxItemBytes } from './layout.ts'
import type { Pointer, PointerKind } from './pointer.ts'

const DEFAULT_LOOK_INTERVAL_MS = 10

/** What a role needs to begin. */
export interface Attachment {
  readonly control: Control
  /** Absent if the device cannot tell who else is at work: then everything is read anew before it is written. */
  readonly claim: BlockClaim | undefined
  readonly clock: Clock
  readonly lookIntervalMs: number
  /** What the pointers said when the role attached. */
  readonly pointers: Pointers
}

/**
 * Claims a role, and reads the ring's state.
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_DEVICE_TOO_SMALL`, `RING_CORRUPT`, `RING_UNSTABLE`
 */
export async function attach(
  device: BlockDevice,
  kind: PointerKind,
  options: AttachOptions,
  onRequest?: (request: string) => Promise<string>,
): Promise<Attachment> {
  const { queue = 'unknown', client = 'unknown', clock = systemClock } = options
  const { lookIntervalMs = DEFAULT_LOOK_INTERVAL_MS } = options
  if (!(lookIntervalMs >= 0)) throw new RangeError(`lookIntervalMs cannot be ${lookIntervalMs}`)
  const claim = device.capabilities.claim
    ? await device.claim(kind.role, {
        holder: `client ${JSON.stringify(client)} of queue ${JSON.stringify(queue)}`,
        ...(onRequest && { onRequest }),
      })
    : undefined
  try {
    const control = await Control.open(device, { queue, client }, clock)
    return { control, claim, clock, lookIntervalMs, pointers: await control.look() }
  } catch (error) {
    await claim?.release()
    throw error
  }
}

/** What producer and consumer have in common: one's own pointer sector, and a view of the other's. */
export abstract class Format1Role implements Role {
  readonly device: BlockDevice
  readonly queue: string
  readonly client: string
  readonly capacity: number
  readonly maxItemBytes: number
  protected readonly control: Control
  /** What our own sector holds: only we write it. */
  protected own: Pointer
  /** What the other side's sector held when we last looked. */
  protected other: Pointer
  readonly #kind: PointerKind
  readonly #otherKind: PointerKind
  readonly #claim: BlockClaim | undefined
  readonly #clock: Clock
  readonly #lookIntervalMs: number
  readonly #serial = new Serial()
  #lookedAt: number
  #poison: unknown
  #detached: Promise<void> | undefined

  constructor(attachment: Attachment, kind: PointerKind, otherKind: PointerKind) {
    const { control, claim, clock, lookIntervalMs, pointers } = attachment
    this.device = control.device
    this.queue = control.names.queue
    this.client = control.names.client
    this.capacity = control.layout.dataBytes
    this.maxItemBytes = maxItemBytes(control.layout)
    this.control = control
    this.own = pointers[kind.role]
    this.other = pointers[otherKind.role]
    this.#kind = kind
    this.#otherKind = otherKind
    this.#claim = claim
    this.#clock = clock
    this.#lookIntervalMs = lookIntervalMs
    this.#lookedAt = clock.now()
  }

  debugInfo(): Promise<DebugInfo> {
    return this.run(async () => {
      await this.look()
      return debugInfo(await this.control.look())
    })
  }

  detach(): Promise<void> {
    this.#detached ??= this.#serial.run(async () => this.#claim?.release())
    return this.#detached
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.detach()
  }

  /** Runs an operation after those called before it, unless the handle is of no use any more. */
  protected run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#detached !== undefined) {
      return Promise.reject(
        new RingError('RING_DETACHED', 'Ring has been detached and cannot be used', {
          device: this.device.name,
        }),
      )
    }
    return this.#serial.run(() => {
      if (this.#poison !== undefined) throw this.#poisoned()
      return operation()
    })
  }

  /** Looks at both pointers now. Whoever writes our own sector besides us is found here. */
  protected async look(): Promise<void> {
    const pointers = await this.control.look()
    const own = pointers[this.#kind.role]
    const other = pointers[this.#otherKind.role]
    if (own.offset !== this.own.offset || own.flag !== this.own.flag) {
      throw this.#poisonWith(this.#conflict(own))
    }
    if (other.offset < this.other.offset) throw this.#wentBack(other)
    this.other = other
    this.#lookedAt = this.#clock.now()
  }

  /** Looks if the last look is too old to be relied on. */
  protected async lookIfOld(): Promise<void> {
    if (this.#clock.now() - this.#lookedAt >= this.#lookIntervalMs) await this.look()
  }

  /** Looks before a write of our own sector: always if nothing else keeps a second handle away. */
  protected async lookBeforeWrite(): Promise<void> {
    await (this.#claim === undefined ? this.look() : this.lookIfOld())
  }

  protected async writeOwn(pointer: Pointer): Promise<void> {
    await this.guard(this.control.write(this.#kind, pointer))
    this.own = pointer
  }

  /**
   * Waits for a write or flush. If it fails, nobody knows what the device holds, and the handle ends here; only
   * from a refusal to write is it known that nothing was written.
   */
  protected async guard(written: Promise<void>): Promise<void> {
    try {
      await written
    } catch (error) {
      if (isBlockError(error) && error.code === 'BLOCK_READ_ONLY') throw error
      throw this.#poisonWith(error)
    }
  }

  #poisonWith(error: unknown): unknown {
    this.#poison = error
    return error
  }

  #poisoned(): RingError {
    return new RingError(
      'RING_POISONED',
      `This handle ended when a write failed or another one interfered (see the cause): detach it and ` +
        `attach to ${this.device.name} again`,
      { device: this.device.name },
      this.#poison,
    )
  }

  #conflict(found: Pointer): RingError {
    const { role, sector, flag } = this.#kind
    const device = this.device.name
    const expected = `${this.own.offset}, ${flag} ${this.own.flag}, as this handle left it`
    const actual = `${found.offset}, ${flag} ${found.flag}`
    return new RingError(
      'RING_ROLE_CONFLICT',
      `Another ${role} has written to ${device}: sector ${sector}, field ${role}: expected ${expected}, ` +
        `found ${actual}; make sure that there is only one, then attach again`,
      { device, sector, field: role, expected, found: actual },
    )
  }

  #wentBack(found: Pointer): RingError {
    const { role, sector } = this.#otherKind
    const device = this.device.name
    const expected = `at least ${this.other.offset}, where it was before`
    return new RingError(
      'RING_CORRUPT',
      `The ${role} offset went back: sector ${sector} of ${device}, field ${role}: expected ${expected}, ` +
        `found ${found.offset}`,
      { device, sector, field: role, expected, found: String(found.offset) },
    )
  }
}

/** The pointers under the original's keys, bools as the format writes them. */
export function debugInfo(pointers: Pointers): DebugInfo {
  const { producer, consumer } = pointers
  return {
    'producer/offset': String(producer.offset),
    'producer/suspend_ack': producer.flag ? '1' : '2',
    'consumer/offset': String(consumer.offset),
    'consumer/suspend': consumer.flag ? '1' : '2',
  }
}
