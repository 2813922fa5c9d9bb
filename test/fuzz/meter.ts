import type { BlockDevice, WriteOptions } from '../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { grown } from './grown.ts'

/** What a device was asked for. */
export interface Usage {
  requests: number
  /** Bytes read and written. */
  moved: number
  /** Bytes allocated, in all and at once. */
  allocated: number
  largest: number
  /** Bytes that the thread had more at a request than before all calls, as `grown` counts them. */
  grown: number
}

/** Nothing used. */
export function noUsage(): Usage {
  return { requests: 0, moved: 0, allocated: 0, largest: 0, grown: 0 }
}

/** More was used than any image may cost: it would not end, or let damage size memory. */
export class TooMuch extends Error {}

/** Tells a call that it has read enough: its signal's reason. */
export class Enough extends Error {}

/** What is counted. */
export const KEYS = ['requests', 'moved', 'allocated', 'largest', 'grown'] as const

/**
 * Counts what is asked of a device, tells a call to stop when that is enough, and refuses when it is too much: so that
 * what would not end, or would take memory without bound, is found by counting and not by a clock.
 */
export class MeteredDevice extends ForwardingBlockDevice {
  readonly usage: Usage = noUsage()
  /** What was refused first, if anything was: the code under test may have caught the error. */
  excess: TooMuch | undefined
  readonly #limits: Usage
  readonly #enough: Partial<Usage>
  readonly #abort = new AbortController()

  /** @param enough beyond this, the signal ends the call */
  constructor(inner: BlockDevice, limits: Usage, enough: Partial<Usage> = {}) {
    super(inner)
    this.#limits = limits
    this.#enough = enough
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Ends the call. */
  stop(): void {
    this.#abort.abort(new Enough('enough'))
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
    this.usage.grown = Math.max(this.usage.grown, grown())
    const isOver = (key: keyof Usage, bounds: Partial<Usage>): boolean =>
      this.usage[key] > (bounds[key] ?? Number.POSITIVE_INFINITY)
    if (KEYS.some((key) => isOver(key, this.#enough))) this.stop()
    const key = KEYS.find((each) => isOver(each, this.#limits))
    if (key === undefined) return
    const told =
      this.#enough[key] === undefined ? '' : `, and was told to stop at ${this.#enough[key]}`
    this.excess ??= new TooMuch(
      `${key}: ${this.usage[key]}, but at most ${this.#limits[key]}${told}`,
    )
    throw this.excess
  }
}
