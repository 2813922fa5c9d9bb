import { channel } from '../../util/diagnostics.ts'
import type {
  AskOptions,
  BlockClaim,
  BlockDevice,
  BlockHolder,
  BlockInfo,
  ClaimOptions,
  RequestOptions,
  WriteOptions,
} from '../device.ts'
import { ForwardingBlockDevice } from './forward.ts'

/** The diagnostics channel on which {@link TracedBlockDevice} publishes. */
export const BLOCK_CHANNEL = 'shared-block-ring:block'

/** A settled request, as published on `shared-block-ring:block`. */
export interface BlockEvent {
  /** The device's name. */
  readonly device: string
  /** The method of {@link BlockDevice}. */
  readonly operation: string
  /** First sector, of requests that have one. */
  readonly sector?: number
  /** Sectors transferred, cleared or, for `resize`, the new size. */
  readonly sectors?: number
  /** Of requests that write. */
  readonly durable?: boolean
  /** Of `claim`, `ask` and `holderOf`. */
  readonly role?: string
  /** Milliseconds from the call until it settled. */
  readonly durationMs: number
  /** The reason, if it failed. */
  readonly error?: unknown
}

type What = Omit<BlockEvent, 'device' | 'durationMs' | 'error'>

/**
 * Publishes every request on the diagnostics channel `shared-block-ring:block` when it settles, as a {@link
 * BlockEvent}. Without subscribers, requests are forwarded unchanged.
 *
 * @example
 * ```ts
 * import { subscribe } from 'node:diagnostics_channel'
 * import { type BlockEvent, MemoryBlockDevice, TracedBlockDevice } from 'shared-block-ring/block'
 *
 * subscribe('shared-block-ring:block', (message) => {
 *   const { operation, sectors } = message as BlockEvent
 *   if (operation === 'write') console.log(operation, sectors) // write 2
 * })
 * const device = await TracedBlockDevice.open(new MemoryBlockDevice({ sizeSectors: 8 }))
 * await device.write(0, [new Uint8Array(1024)])
 * ```
 */
export class TracedBlockDevice extends ForwardingBlockDevice implements BlockDevice {
  readonly #channel = channel(BLOCK_CHANNEL)
  readonly #sectorSize: number

  private constructor(device: BlockDevice, sectorSize: number) {
    super(device)
    this.#sectorSize = sectorSize
  }

  /**
   * Wraps a device, which from now on is disconnected through the wrapper.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the device
   */
  static async open(device: BlockDevice): Promise<TracedBlockDevice> {
    return new TracedBlockDevice(device, (await device.getInfo()).sectorSize)
  }

  override getInfo(): Promise<BlockInfo> {
    return this.#trace(
      () => super.getInfo(),
      () => ({ operation: 'getInfo' }),
    )
  }

  override read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    return this.#trace(
      () => super.read(sectorStart, buffers, options),
      () => ({ operation: 'read', sector: sectorStart, ...this.#sectorsOf(buffers) }),
    )
  }

  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return this.#trace(
      () => super.write(sectorStart, buffers, options),
      () => ({
        operation: 'write',
        sector: sectorStart,
        ...this.#sectorsOf(buffers),
        ...durable(options),
      }),
    )
  }

  override flush(options?: RequestOptions): Promise<void> {
    return this.#trace(
      () => super.flush(options),
      () => ({ operation: 'flush' }),
    )
  }

  override discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return this.#trace(
      () => super.discard(sectorStart, sectors, options),
      () => ({ operation: 'discard', sector: sectorStart, sectors }),
    )
  }

  override writeZeroes(
    sectorStart: number,
    sectors: number,
    options?: WriteOptions,
  ): Promise<void> {
    return this.#trace(
      () => super.writeZeroes(sectorStart, sectors, options),
      () => ({ operation: 'writeZeroes', sector: sectorStart, sectors, ...durable(options) }),
    )
  }

  override resize(sizeSectors: number): Promise<void> {
    return this.#trace(
      () => super.resize(sizeSectors),
      () => ({ operation: 'resize', sectors: sizeSectors }),
    )
  }

  override seekMapped(sectorStart: number): Promise<number> {
    return this.#trace(
      () => super.seekMapped(sectorStart),
      () => ({ operation: 'seekMapped', sector: sectorStart }),
    )
  }

  override seekUnmapped(sectorStart: number): Promise<number> {
    return this.#trace(
      () => super.seekUnmapped(sectorStart),
      () => ({ operation: 'seekUnmapped', sector: sectorStart }),
    )
  }

  override claim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.#trace(
      () => super.claim(role, options),
      () => ({ operation: 'claim', role }),
    )
  }

  override ask(role: string, request: string, options?: AskOptions): Promise<string | undefined> {
    return this.#trace(
      () => super.ask(role, request, options),
      () => ({ operation: 'ask', role }),
    )
  }

  override holderOf(role: string, options?: AskOptions): Promise<BlockHolder | undefined> {
    return this.#trace(
      () => super.holderOf(role, options),
      () => ({ operation: 'holderOf', role }),
    )
  }

  override disconnect(): Promise<void> {
    return this.#trace(
      () => super.disconnect(),
      () => ({ operation: 'disconnect' }),
    )
  }

  #trace<T>(request: () => Promise<T>, what: () => What): Promise<T> {
    return this.#channel.hasSubscribers ? this.#published(request, what()) : request()
  }

  async #published<T>(request: () => Promise<T>, what: What): Promise<T> {
    const started = performance.now()
    const message = (): Omit<BlockEvent, 'error'> => ({
      device: this.name,
      ...what,
      durationMs: performance.now() - started,
    })
    try {
      const result = await request()
      this.#channel.publish(message())
      return result
    } catch (error) {
      this.#channel.publish({ ...message(), error })
      throw error
    }
  }

  /** Nothing for invalid buffers: the device will refuse them. */
  #sectorsOf(buffers: readonly Uint8Array[]): { sectors?: number } {
    if (!Array.isArray(buffers)) return {}
    const bytes = buffers.reduce((total, buffer) => total + (buffer?.byteLength ?? 0), 0)
    return { sectors: bytes / this.#sectorSize }
  }
}

function durable(options: WriteOptions | undefined): { durable: boolean } {
  return { durable: options?.durable === true }
}
