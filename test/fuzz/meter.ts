import type { BlockDevice, WriteOptions } from '../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'

/** What a device was asked for. */
export interface Usage {
  requests: number
  /** Bytes read and written. */
  moved: number
  /** Bytes allocated, in all and at once. */
  allocated: number
  largest: number
}

/** Nothing used. */
export function noUsage(): Usage {
  return { requests: 0, moved: 0, allocated: 0, largest: 0 }
}

/** More was used than any image may cost: it would not end, or let damage size memory. */
export class TooMuch extends Error {}

/**
 * Counts what is asked of a device, and refuses when it is too much: so that what would not end, or would take memory
 * without bound, is found by counting and not by a clock.
 */
export class MeteredDevice extends ForwardingBlockDevice {
  readonly usage: Usage = noUsage()
  readonly #limits: Usage

  constructor(inner: BlockDevice, limits: Usage) {
    super(inner)
    this.#limits = limits
  }

  /** What is over the limits, if anything is: the code under test may have caught the error. */
  get excess(): keyof Usage | undefined {
    const keys = ['requests', 'moved', 'allocated', 'largest'] as const
    return keys.find((key) => this.usage[key] > this.#limits[key])
  }

  override allocate(bytes: number): Uint8Array {
    this.usage.allocated += bytes
    this.usage.largest = Math.max(this.usage.largest, bytes)
    this.#check()
    return super.allocate(bytes)
  }

  override read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    this.#count(buffers)
    return super.read(sectorStart, buffers)
  }

  override write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    this.#count(buffers)
    return super.write(sectorStart, buffers, options)
  }

  override flush(): Promise<void> {
    this.#count([])
    return super.flush()
  }

  #count(buffers: readonly Uint8Array[]): void {
    this.usage.requests++
    for (const buffer of buffers) this.usage.moved += buffer.length
    this.#check()
  }

  #check(): void {
    const { excess } = this
    if (excess === undefined) return
    throw new TooMuch(`${excess}: ${this.usage[excess]}, but at most ${this.#limits[excess]}`)
  }
}
