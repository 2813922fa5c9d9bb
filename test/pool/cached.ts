import type { BlockDevice, WriteOptions } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { crc32c } from '../../src/checksum/crc32c.ts'

const SECTOR = 512

/** A write that a device was asked for, or a flush. */
interface Event {
  /** Absent for a flush. */
  readonly write?: { readonly at: number; readonly bytes: Uint8Array }
  readonly durable: boolean
}

/** A device that notes all that changes it, so that what a power cut leaves can be made for each point of it. */
export class NotingDevice extends ForwardingBlockDevice {
  readonly events: Event[] = []

  constructor(inner: BlockDevice) {
    super(inner)
  }

  override async write(
    sector: number,
    buffers: readonly Uint8Array[],
    options: WriteOptions = {},
  ): Promise<void> {
    const bytes = new Uint8Array(Buffer.concat(buffers))
    this.events.push({ write: { at: sector * SECTOR, bytes }, durable: options.durable ?? false })
    await super.write(sector, buffers, options)
  }

  override async writeZeroes(
    sector: number,
    sectors: number,
    options: WriteOptions = {},
  ): Promise<void> {
    const bytes = new Uint8Array(sectors * SECTOR)
    this.events.push({ write: { at: sector * SECTOR, bytes }, durable: options.durable ?? false })
    await super.writeZeroes(sector, sectors, options)
  }

  override async flush(): Promise<void> {
    this.events.push({ durable: false })
    await super.flush()
  }
}

/** How much of a write in flight happened. */
const TORN = ['none', 'first', 'rest', 'all'] as const
type Torn = (typeof TORN)[number]

/** Which of the writes in the cache survive. */
type Kept = (index: number) => boolean

/** An image, from which the writes of some events are made. */
export class Medium {
  readonly stable: Uint8Array
  /** Written, and not stable yet, in the order of writing. */
  readonly cached: readonly Event[]

  constructor(stable: Uint8Array, cached: readonly Event[] = []) {
    this.stable = stable
    this.cached = cached
  }

  /** After the first so many events have ended. */
  after(events: readonly Event[], count: number): Medium {
    const stable = this.stable.slice()
    let cached = [...this.cached]
    for (const event of events.slice(0, count)) {
      if (event.write === undefined) {
        for (const each of cached) put(stable, each)
        cached = []
      } else if (event.durable) put(stable, event)
      else cached.push(event)
    }
    return new Medium(stable, cached)
  }

  /** What programs read while there is power, if an event was in flight. */
  seen(inFlight: Event | undefined, torn: Torn): Uint8Array {
    return this.cut(inFlight, torn, () => true)
  }

  /** What a power cut leaves. */
  cut(inFlight: Event | undefined, torn: Torn, kept: Kept): Uint8Array {
    const image = this.stable.slice()
    for (const [index, event] of this.cached.entries()) if (kept(index)) put(image, event)
    if (inFlight !== undefined) put(image, inFlight, torn)
    return image
  }

  /** With an event in flight that is in the cache now. */
  with(inFlight: Event | undefined, torn: Torn): Medium {
    if (inFlight?.write === undefined || torn === 'none') return this
    return new Medium(this.stable, [...this.cached, inFlight])
  }

  /**
   * What a power cut can leave: nothing of the cache, all, or at `each` one write alone or all but one; with each part
   * of the one in flight. No image comes twice.
   */
  *cuts(inFlight: Event | undefined, each: boolean): Generator<Uint8Array> {
    const { length } = this.cached
    const ones = each && length > 1 ? Array.from({ length }, (_, one) => one) : []
    const choices: readonly Kept[] = [
      () => false,
      () => true,
      ...ones.map(
        (one): Kept =>
          (index) =>
            index === one,
      ),
      ...ones.map(
        (one): Kept =>
          (index) =>
            index !== one,
      ),
    ]
    const parts = inFlight?.write === undefined ? (['none'] as const) : TORN
    const seen = new Set<number>()
    for (const kept of choices) {
      for (const torn of parts) {
        const image = this.cut(inFlight, torn, kept)
        const sum = crc32c(image)
        if (!seen.has(sum)) yield image
        seen.add(sum)
      }
    }
  }
}

function put(image: Uint8Array, { write }: Event, torn: Torn = 'all'): void {
  if (write === undefined || torn === 'none') return
  const { at, bytes } = write
  const from = torn === 'rest' ? SECTOR : 0
  image.set(bytes.subarray(from, torn === 'first' ? SECTOR : undefined), at + from)
}

/** A device with an image. */
export function deviceOf(image: Uint8Array): Promise<MemoryBlockDevice> {
  return MemoryBlockDevice.from(image, { name: 'disk' })
}
