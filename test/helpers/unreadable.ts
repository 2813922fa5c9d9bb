import type { WriteOptions } from '../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'
import { BlockError } from '../../src/errors.ts'

/** A disk with sectors that cannot be read until they are written: every read that touches one of them fails. */
export class UnreadableBlockDevice extends ForwardingBlockDevice {
  /** The unreadable sectors, each with how many reads of it fail before one does not. */
  readonly sectors: Map<number, number> = new Map()
  /** Sectors that were written, in order. */
  readonly written: number[] = []

  /** Makes the sector of a byte unreadable. */
  spoil(offset: number, sectorSize = 512, failures: number = Number.POSITIVE_INFINITY): this {
    this.sectors.set(Math.floor(offset / sectorSize), failures)
    return this
  }

  override async read(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    const sectors = await this.#count(buffers)
    let fails = false
    for (let sector = sectorStart; sector < sectorStart + sectors; sector++) {
      const failures = this.sectors.get(sector) ?? 0
      if (failures === 0) continue
      this.sectors.set(sector, failures - 1)
      fails = true
    }
    if (fails) {
      // As from a real disk: what came before may be there.
      for (const buffer of buffers) buffer.fill(0xee)
      throw new BlockError('BLOCK_IO', 'an unreadable sector', {
        device: this.name,
        sector: sectorStart,
        sectors,
      })
    }
    await super.read(sectorStart, buffers)
  }

  override async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options: WriteOptions = {},
  ): Promise<void> {
    await super.write(sectorStart, buffers, options)
    const sectors = await this.#count(buffers)
    for (let sector = sectorStart; sector < sectorStart + sectors; sector++) {
      this.written.push(sector)
      this.sectors.delete(sector)
    }
  }

  async #count(buffers: readonly Uint8Array[]): Promise<number> {
    const { sectorSize } = await this.getInfo()
    return buffers.reduce((sum, buffer) => sum + buffer.length, 0) / sectorSize
  }
}
