import type { BlockDevice } from '../../block/device.ts'
import { BlockError, RingError } from '../../errors.ts'
import { BaseRole } from '../shared/base-role.ts'
import { type Claimed, claimRole } from '../shared/claim-role.ts'
import type { AttachOptions, DebugInfo } from '../types.ts'
import { Control, type Pointers } from './control.ts'
import { maxItemBytes } from './layout.ts'
import type { Pointer, PointerKind } from './pointer.ts'

/** The results of attaching, with which a role starts. */
export interface Attachment {
  readonly claimed: Claimed
  readonly control: Control
  /** The pointers at that time. */
  readonly pointers: Pointers
}

/**
 * Claims a role, and reads the ring's state.
 * @throws {BlockError} `BLOCK_CLAIMED`
 * @throws {RingError} `RING_CORRUPT`, `RING_UNSTABLE`; as `Control.open`
 */
export async function attach(
  device: BlockDevice,
  kind: PointerKind,
  options: AttachOptions,
  onRequest?: (request: string) => Promise<string>,
): Promise<Attachment> {
  const claimed = await claimRole(device, kind.role, options, onRequest)
  try {
    const control = await Control.open(device, claimed.names, claimed.clock)
    return { claimed, control, pointers: await control.refresh() }
  } catch (error) {
    await claimed.release()
    throw error
  }
}

/** The common part of producer and consumer: their own pointer sector, and a view of the other one. */
export abstract class Format1Role extends BaseRole {
  override readonly format = 1
  override readonly capacityBytes: number
  override readonly maxItemBytes: number
  protected readonly control: Control
  /** The content of our own sector, which no other program writes. */
  protected own: Pointer
  /** The content of the other side's sector, as of the last refresh. */
  protected other: Pointer
  /** The other side's offset as far as a flush has made it durable. Our writes must not depend on a later offset. */
  protected durable: bigint
  #incarnation: number | undefined
  readonly #kind: PointerKind
  readonly #otherKind: PointerKind

  constructor(attachment: Attachment, kind: PointerKind, otherKind: PointerKind) {
    const { claimed, control, pointers } = attachment
    super(claimed)
    this.capacityBytes = control.layout.dataBytes
    this.maxItemBytes = Math.min(claimed.maxItemBytes, maxItemBytes(control.layout))
    this.control = control
    this.own = pointers[kind.role]
    this.other = pointers[otherKind.role]
    // A consumer's offset is written only after the producer's is durable up to it.
    this.durable = pointers.consumer.offset
    this.#incarnation = pointers.incarnation
    this.#kind = kind
    this.#otherKind = otherKind
  }

  override debugInfo(): Promise<DebugInfo> {
    return this.run(async () => {
      await this.refresh()
      return debugInfo(await this.control.refresh())
    })
  }

  /** Refreshes both pointers, and detects another writer of our own sector. */
  protected override async doRefresh(): Promise<void> {
    const pointers = await this.control.refresh()
    const own = pointers[this.#kind.role]
    const other = pointers[this.#otherKind.role]
    if (own.offset !== this.own.offset || own.flag !== this.own.flag) {
      const { role, sector } = this.#kind
      const expected = `${this.#show(this.own)}, as this handle left it`
      throw await this.conflict(role, sector, expected, this.#show(own))
    }
    if (pointers.incarnation !== this.#incarnation) {
      this.checkForgotten()
      // Anything that was not durable may be lost.
      this.other = { ...this.other, offset: this.durable }
      this.#incarnation = pointers.incarnation
    }
    if (other.offset < this.other.offset) throw this.#wentBack(other)
    this.other = other
  }

  /** True if what was read last may have been only in a cache that is lost. */
  protected get isForgotten(): boolean {
    return this.device.incarnation !== this.#incarnation
  }

  /**
   * Makes what the last refresh read of the other side durable. If the device has lost its cache meanwhile, a flush
   * does not cover it, which is handled like a failed flush.
   */
  protected async flushSeen(): Promise<void> {
    await this.poisonOnFailure(this.device.flush())
    if (this.isForgotten) throw this.forgotten()
    this.durable = this.other.offset
  }

  /** Called when the device has lost its cache. Ends the handle if it depends on anything that was not durable. */
  protected checkForgotten(): void {}

  /** Ends the handle, because it depends on data that may have been only in a cache that is lost. */
  protected forgotten(): unknown {
    const device = this.device.name
    return this.poisonWith(
      new BlockError(
        'BLOCK_LOST',
        `The connection to ${device} was lost, and with it perhaps unflushed writes of the ${this.#otherKind.role} ` +
          'that this handle has read: attach again',
        { device },
      ),
    )
  }

  protected async writeOwn(pointer: Pointer): Promise<void> {
    await this.poisonOnFailure(this.control.write(this.#kind, pointer))
    this.own = pointer
  }

  #show({ offset, flag }: Pointer): string {
    return `${offset}, ${this.#kind.flag} ${flag}`
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

/** The pointers under the original's keys, with bools as the format writes them. */
export function debugInfo(pointers: Pointers): DebugInfo {
  const { producer, consumer } = pointers
  return {
    'producer/offset': String(producer.offset),
    'producer/suspend_ack': producer.flag ? '1' : '2',
    'consumer/offset': String(consumer.offset),
    'consumer/suspend': consumer.flag ? '1' : '2',
  }
}
