import type { BlockClaim, BlockInfo, ClaimOptions } from '../block/device.ts'
import type { Permit } from '../block/permit.ts'
import { DevicePart } from '../block/wrap/device-part.ts'
import type { DirectoryEntry } from '../ring/format2/disk/directory.ts'
import type { PoolDirectory } from './directory.ts'
import { ringRemoved } from './errors.ts'

/** Removing a ring takes all of these roles first, so no other program has one during the removal. */
export const ROLES_OF_RING = ['creator', 'produce', 'producer', 'consumer'] as const

/**
 * A ring's part of the device of a pool: a device like any other, on which `RingWriter`, `RingReader` and all tools
 * work.
 *
 * A ring can be removed from the pool while its device is open, but not while one of its roles is claimed on this
 * machine. `getInfo`, each claim, and each write while no role is claimed first check that the ring is still there, and
 * otherwise throw `RING_REMOVED`, so a ring that takes its place is never written to.
 */
export class PoolRingDevice extends DevicePart {
  readonly #directory: PoolDirectory
  readonly #entry: DirectoryEntry
  /** Claims that keep the ring from being removed. */
  #held = 0

  private constructor(directory: PoolDirectory, entry: DirectoryEntry, below: BlockInfo) {
    const { device } = directory
    super(device, below, {
      name: `${device.name}#${entry.name}`,
      sectorStart: entry.offset / below.sectorSize,
      sectors: entry.bytes / below.sectorSize,
    })
    this.#directory = directory
    this.#entry = entry
  }

  /** @internal */
  static async open(directory: PoolDirectory, entry: DirectoryEntry): Promise<PoolRingDevice> {
    return new PoolRingDevice(directory, entry, await directory.device.getInfo())
  }

  protected override async doGetInfo(): Promise<BlockInfo> {
    await this.#checkThere()
    return await super.doGetInfo()
  }

  protected override doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    return this.#change(permit, () => super.doWrite(sectorStart, buffers, durable, permit))
  }

  protected override doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    return this.#change(permit, () => super.doDiscard(sectorStart, sectors, permit))
  }

  protected override doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    return this.#change(permit, () => super.doWriteZeroes(sectorStart, sectors, durable, permit))
  }

  protected override async doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    const claim = await super.doClaim(role, options)
    try {
      // From now on it cannot be removed.
      await this.#checkThere()
    } catch (error) {
      await claim.release()
      throw error
    }
    if (!ROLES_OF_RING.some((each) => each === role)) return claim
    this.#held++
    return {
      ...claim,
      release: async () => {
        this.#held--
        await claim.release()
      },
    }
  }

  async #change(permit: Permit, request: () => Promise<void>): Promise<void> {
    if (this.#held > 0) return request()
    await this.#checkThere()
    permit()
    return request()
  }

  async #checkThere(): Promise<void> {
    const { rings } = await this.#directory.read()
    if (!rings.some(({ id }) => id === this.#entry.id)) throw ringRemoved(this.name)
  }
}
