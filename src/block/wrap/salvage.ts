import { type BlockError, isBlockError } from '../../errors.ts'
import type { RequestOptions } from '../device.ts'
import { runs } from '../runs.ts'
import { ForwardingBlockDevice } from './forward.ts'

/** A run of sectors. */
export interface SectorRange {
  /** The first of them. */
  readonly sector: number
  readonly sectors: number
}

/** With more unreadable sectors than this, a device is unusable: its error passes. */
export const MAX_UNREADABLE_SECTORS = 16_384
/** The number of reads after which a sector counts as unreadable: a single failure may be transient. */
const TRIES = 2

/**
 * Reads around unreadable sectors: a read that fails with `BLOCK_IO` is split, down to single sectors. Unreadable
 * sectors read as zeroes, are remembered, and not tried again, because a disk may take seconds for each try. All
 * other errors pass, and so does `BLOCK_IO` once there are more than `MAX_UNREADABLE_SECTORS`. Only for inspecting
 * and repairing a device: a program that mistakes the zeroes for data loses it.
 */
export class SalvageBlockDevice extends ForwardingBlockDevice {
  #unreadable: readonly SectorRange[] = []
  #count = 0
  #failure: BlockError | undefined
  /** Cached, because it does not change and each read would query the system. */
  #sectorSize: number | undefined

  /** The sectors that could not be read so far, ascending, none next to another. */
  get unreadable(): readonly SectorRange[] {
    return this.#unreadable
  }

  /** The error of the last unreadable one; absent if all are readable. */
  get failure(): BlockError | undefined {
    return this.#failure
  }

  override async read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    this.#sectorSize ??= (await this.inner.getInfo()).sectorSize
    await this.#read(sectorStart, buffers, this.#sectorSize, options)
  }

  readNow(sectorStart: number, buffer: Uint8Array): boolean {
    // If some sectors are unreadable, only `read` reads around them.
    return this.#count === 0 && this.inner.readNow?.(sectorStart, buffer) === true
  }

  /** Tries all unreadable sectors once more, one by one. Returns the first that can be read now, if there is one. */
  async firstReadable(): Promise<number | undefined> {
    const { sectorSize } = await this.inner.getInfo()
    const buffers = [this.allocate(sectorSize)]
    for (const { sector, sectors } of this.#unreadable) {
      for (let at = sector; at < sector + sectors; at++) {
        if ((await this.#try(at, buffers)) === undefined) return at
      }
    }
    return undefined
  }

  async #read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    sectorSize: number,
    options: RequestOptions | undefined,
  ): Promise<void> {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const sectors = bytes / sectorSize
    let failure: BlockError | undefined
    if (!this.#meetsUnreadable(sectorStart, sectors)) {
      failure = await this.#try(sectorStart, buffers, options)
      if (failure === undefined) return
    }
    if (sectors > 1) {
      let at = sectorStart
      for (const half of runs(buffers, Math.ceil(sectors / 2) * sectorSize)) {
        await this.#read(at, half.parts, sectorSize, options)
        at += half.bytes / sectorSize
      }
      return
    }
    for (let tries = 1; failure !== undefined && tries < TRIES; tries++) {
      failure = await this.#try(sectorStart, buffers, options)
      if (failure === undefined) return
    }
    if (failure !== undefined) this.#remember(sectorStart, failure)
    for (const buffer of buffers) buffer.fill(0)
  }

  async #try(
    sector: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<BlockError | undefined> {
    try {
      await this.inner.read(sector, buffers, options)
      return undefined
    } catch (error) {
      if (isBlockError(error) && error.code === 'BLOCK_IO') return error
      throw error
    }
  }

  #meetsUnreadable(sector: number, sectors: number): boolean {
    return this.#unreadable.some(
      (range) => range.sector < sector + sectors && sector < range.sector + range.sectors,
    )
  }

  #remember(sector: number, failure: BlockError): void {
    if (this.#count === MAX_UNREADABLE_SECTORS) throw failure
    this.#count++
    this.#failure = failure
    const before = this.#unreadable.filter((range) => range.sector < sector)
    const after = this.#unreadable.slice(before.length)
    const last = before.at(-1)
    const next = after[0]
    const joinsLast = last !== undefined && last.sector + last.sectors === sector
    const joinsNext = next !== undefined && next.sector === sector + 1
    const first = joinsLast ? last.sector : sector
    const end = joinsNext ? next.sector + next.sectors : sector + 1
    this.#unreadable = [
      ...(joinsLast ? before.slice(0, -1) : before),
      { sector: first, sectors: end - first },
      ...(joinsNext ? after.slice(1) : after),
    ]
  }
}
