import type { WriteOptions } from '../../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../../src/block/wrap/forward.ts'
import { noUsage, TooMuch, type Usage } from '../meter.ts'

/** What a call may ask of a device before its signal ends it: several times what an image without holes can need. */
const ENOUGH = { requests: 400, moved: 16 << 20 } as const
/** What it may ask for once it is told to stop, or all in all where it takes no signal. */
const SLACK = { requests: 64, moved: 16 << 20 } as const
/** All that it may allocate at once: an item of 16 MiB, and what is around it. */
const LARGEST = 20 << 20

/** Tells a call that it has read enough: its signal's reason. */
export class Enough extends Error {}

/** Counts what one call asks of a device, tells it to stop when that is enough, and refuses when it does not. */
export class GaugedDevice extends ForwardingBlockDevice {
  readonly usage: Usage = noUsage()
  /** What was refused: the code under test may have caught the error. */
  excess: TooMuch | undefined
  readonly #abort = new AbortController()

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
    if (bytes > LARGEST) this.#refuse(`allocates ${bytes} bytes at once`)
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
    const { usage } = this
    usage.requests++
    for (const buffer of buffers) usage.moved += buffer.length
    for (const key of ['requests', 'moved'] as const) {
      if (usage[key] > ENOUGH[key]) this.stop()
      if (usage[key] > ENOUGH[key] + SLACK[key]) {
        this.#refuse(`goes on: ${usage[key]} ${key}, and was told to stop at ${ENOUGH[key]}`)
      }
    }
  }

  #refuse(why: string): void {
    this.excess ??= new TooMuch(why)
    throw this.excess
  }
}
