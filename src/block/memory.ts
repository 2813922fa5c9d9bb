import { checkWhole } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { BaseBlockDevice } from './base.ts'
import type {
  BlockCapabilities,
  BlockClaim,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
} from './device.ts'
import { LocalClaims } from './local-claims.ts'
import { checkSectorSize } from './validate.ts'

/** Options of a {@link MemoryBlockDevice}. */
export interface MemoryBlockDeviceOptions {
  /** Bytes in a sector: a power of two from 512 to 65536. Default 512. */
  readonly sectorSize?: number
  /** Sectors on the device. */
  readonly sizeSectors: number
  /** `read-only` refuses writes. Default `read-write`. */
  readonly mode?: 'read-write' | 'read-only'
  /** Used in messages. Default `memory`. */
  readonly name?: string
}

const FROM_KINDS: OptionKinds<Omit<MemoryBlockDeviceOptions, 'sizeSectors'>> = {
  sectorSize: 'number',
  mode: { oneOf: ['read-write', 'read-only'] },
  name: 'string',
}
const KINDS: OptionKinds<MemoryBlockDeviceOptions> = { ...FROM_KINDS, sizeSectors: 'number' }

/** Sectors in a chunk, the unit in which memory is allocated and holes are distinguished from data. */
const CHUNK_SECTORS = 16

/**
 * A device in this process's memory: for tests, and as a scratch device. It copies what it is given,
 * allocates only what was written, and forgets everything on `disconnect`.
 *
 * @example
 * ```ts
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await device.write(3, [new Uint8Array(512).fill(7)])
 * const buffer = new Uint8Array(512)
 * await device.read(3, [buffer])
 * console.log(buffer[0]) // 7
 * ```
 */
export class MemoryBlockDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities = {
    discard: true,
    resize: true,
    seek: true,
    claim: true,
    watch: true,
    singleSectorBuffers: false,
  }
  protected override info: BlockInfo
  readonly #chunkBytes: number
  readonly #chunks = new Map<number, Uint8Array>()
  readonly #claims = new LocalClaims()
  readonly #watchers = new Set<() => void>()

  /**
   * @throws {TypeError | RangeError} an option is out of range
   */
  constructor(options: MemoryBlockDeviceOptions) {
    super()
    checkOptions('MemoryBlockDevice', options, KINDS)
    const { sectorSize = 512, sizeSectors, mode = 'read-write', name = 'memory' } = options
    checkSectorSize(sectorSize)
    checkWhole({ sizeSectors }, 0)
    this.name = name
    this.info = { readWrite: mode === 'read-write', sectorSize, sizeSectors }
    this.#chunkBytes = sectorSize * CHUNK_SECTORS
  }

  /** A device that holds a copy of `bytes`, which have to be a whole number of sectors. */
  static async from(
    bytes: Uint8Array,
    options: Omit<MemoryBlockDeviceOptions, 'sizeSectors'> = {},
  ): Promise<MemoryBlockDevice> {
    checkOptions('MemoryBlockDevice.from', options, FROM_KINDS)
    const sizeSectors = bytes.byteLength / (options.sectorSize ?? 512)
    const device = new MemoryBlockDevice({ ...options, sizeSectors })
    await device.doWrite(0, [bytes])
    return device
  }

  protected override async doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
  ): Promise<void> {
    this.#fill(sectorStart, buffers)
  }

  protected override doReadNow(sectorStart: number, buffer: Uint8Array): boolean {
    this.#fill(sectorStart, [buffer])
    return true
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
  ): Promise<void> {
    this.#eachPiece(sectorStart, buffers, (chunk, at, piece) => {
      let stored = this.#chunks.get(chunk)
      if (stored === undefined) {
        stored = new Uint8Array(this.#chunkBytes)
        this.#chunks.set(chunk, stored)
      }
      stored.set(piece, at)
    })
    for (const notify of this.#watchers) queueMicrotask(notify)
  }

  protected override async doFlush(): Promise<void> {}

  protected override async doDiscard(sectorStart: number, sectors: number): Promise<void> {
    this.#clear(sectorStart, sectors)
  }

  protected override async doWriteZeroes(sectorStart: number, sectors: number): Promise<void> {
    this.#clear(sectorStart, sectors)
    for (const notify of this.#watchers) queueMicrotask(notify)
  }

  protected override async doResize(sizeSectors: number): Promise<void> {
    const dropped = this.info.sizeSectors - sizeSectors
    if (dropped > 0) this.#clear(sizeSectors, dropped)
    this.info = { ...this.info, sizeSectors }
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    return this.#seek(sectorStart, true)
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    return this.#seek(sectorStart, false)
  }

  protected override async doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.#claims.claim(this.name, role, options)
  }

  protected override doAsk(role: string, request: string): Promise<string | undefined> {
    return this.#claims.ask(role, request)
  }

  protected override async doHolderOf(role: string): Promise<BlockHolder | undefined> {
    return this.#claims.holderOf(role)
  }

  protected override doWatch(onChange: () => void): BlockWatch {
    this.#watchers.add(onChange)
    return { works: true, close: () => this.#watchers.delete(onChange) }
  }

  protected override async doDisconnect(): Promise<void> {
    this.#chunks.clear()
  }

  #fill(sectorStart: number, buffers: readonly Uint8Array[]): void {
    this.#eachPiece(sectorStart, buffers, (chunk, at, piece) => {
      const stored = this.#chunks.get(chunk)
      if (stored === undefined) piece.fill(0)
      else piece.set(stored.subarray(at, at + piece.length))
    })
  }

  #eachPiece(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    visit: (chunk: number, at: number, piece: Uint8Array) => void,
  ): void {
    let offset = sectorStart * this.info.sectorSize
    for (const buffer of buffers) {
      for (let done = 0; done < buffer.length; ) {
        const at = offset % this.#chunkBytes
        const length = Math.min(this.#chunkBytes - at, buffer.length - done)
        visit(Math.floor(offset / this.#chunkBytes), at, buffer.subarray(done, done + length))
        done += length
        offset += length
      }
    }
  }

  #clear(sectorStart: number, sectors: number): void {
    const { sectorSize } = this.info
    const end = (sectorStart + sectors) * sectorSize
    for (const [chunk, stored] of this.#chunks) {
      const chunkStart = chunk * this.#chunkBytes
      const from = Math.max(0, sectorStart * sectorSize - chunkStart)
      const to = Math.min(this.#chunkBytes, end - chunkStart)
      if (from === 0 && to === this.#chunkBytes) this.#chunks.delete(chunk)
      else if (from < to) stored.fill(0, from, to)
    }
  }

  #seek(sectorStart: number, mapped: boolean): number {
    for (let sector = sectorStart; sector < this.info.sizeSectors; ) {
      const chunk = Math.floor(sector / CHUNK_SECTORS)
      if (this.#chunks.has(chunk) === mapped) return sector
      sector = (chunk + 1) * CHUNK_SECTORS
    }
    return this.info.sizeSectors
  }
}
