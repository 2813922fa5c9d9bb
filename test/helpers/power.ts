import type { WriteOptions } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { BlockError } from '../../src/errors.ts'

const SECTOR = 512

/** Chooses a number from 0 to `below` - 1. */
export type Choose = (below: number) => number

/**
 * A device with a volatile cache: what was written is read back at once, but only a flush, or a durable write for
 * itself, makes it survive a power cut. A cut keeps any subset of the other sectors, in any of their versions.
 */
export class CachedDevice extends ForwardingBlockDevice {
  /** For each sector, what was written to it since it was last stable: a cut may leave any of these. */
  readonly #unstable = new Map<number, { readonly write: number; readonly bytes: Uint8Array }[]>()
  readonly #stable: Uint8Array
  readonly #choose: Choose
  #writes = 0
  #writesLeft = Number.POSITIVE_INFINITY

  private constructor(cache: MemoryBlockDevice, stable: Uint8Array, choose: Choose) {
    super(cache)
    this.#stable = stable
    this.#choose = choose
  }

  static async from(stable: Uint8Array, choose: Choose): Promise<CachedDevice> {
    return new CachedDevice(await MemoryBlockDevice.from(stable), stable.slice(), choose)
  }

  /**
   * The device after only the programs died: what they wrote is still in the cache. In the middle of a write they
   * may die with it visible, but not yet stable.
   */
  async restarted(): Promise<CachedDevice> {
    const { sizeSectors } = await this.inner.getInfo()
    const cached = new Uint8Array(sizeSectors * SECTOR)
    await this.inner.read(0, [cached])
    const device = new CachedDevice(
      await MemoryBlockDevice.from(cached),
      this.#stable,
      this.#choose,
    )
    for (const [sector, versions] of this.#unstable) device.#unstable.set(sector, versions)
    device.#writes = this.#writes
    return device
  }

  /** The power fails at the n-th write or flush from now, which may have happened in part. */
  failAfter(writes: number): void {
    this.#writesLeft = writes
  }

  /** Whether the power failed. */
  get off(): boolean {
    return this.#writesLeft <= 0
  }

  /** What the medium holds after a power cut now. */
  cut(): Uint8Array {
    const bytes = this.#stable.slice()
    for (const [sector, versions] of this.#unstable) {
      const kept = this.#choose(versions.length + 1)
      const version = versions[kept]
      if (version !== undefined) bytes.set(version.bytes, sector * SECTOR)
    }
    return bytes
  }

  override async read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    if (this.off) throw this.#failed()
    await super.read(sectorStart, buffers)
  }

  override async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options: WriteOptions = {},
  ): Promise<void> {
    this.#use()
    const write = ++this.#writes
    let sector = sectorStart
    for (const buffer of buffers) {
      for (let at = 0; at < buffer.length; at += SECTOR, sector++) {
        this.#put(sector, { write, bytes: buffer.slice(at, at + SECTOR) })
      }
    }
    await super.write(sectorStart, buffers)
    if (this.off) throw this.#failed()
    if (options.durable !== true) return
    // Others see the write before it is stable.
    await this.#pause()
    for (let other = sectorStart; other < sector; other++) this.#settle(other, write)
  }

  override async flush(): Promise<void> {
    this.#use()
    const write = this.#writes
    await this.#pause()
    for (const sector of [...this.#unstable.keys()]) this.#settle(sector, write)
  }

  async #pause(): Promise<void> {
    for (let ticks = this.#choose(30); ticks > 0; ticks--) await Promise.resolve()
    if (this.off) throw this.#failed()
  }

  #use(): void {
    if (this.off) throw this.#failed()
    this.#writesLeft--
  }

  #put(sector: number, version: { readonly write: number; readonly bytes: Uint8Array }): void {
    const versions = this.#unstable.get(sector)
    if (versions === undefined) this.#unstable.set(sector, [version])
    else versions.push(version)
  }

  /** Makes what was written to a sector up to a write stable: the last of it. */
  #settle(sector: number, upTo: number): void {
    const versions = this.#unstable.get(sector) ?? []
    const count = versions.filter(({ write }) => write <= upTo).length
    const last = versions.splice(0, count).at(-1)
    if (last !== undefined) this.#stable.set(last.bytes, sector * SECTOR)
    if (versions.length === 0) this.#unstable.delete(sector)
  }

  #failed(): BlockError {
    return new BlockError('BLOCK_IO', 'the power failed', { device: this.name })
  }
}
