import type {
  AskOptions,
  BlockClaim,
  BlockDevice,
  BlockHolder,
  BlockInfo,
  ClaimOptions,
} from '../device.ts'
import { roleBelow } from './role-below.ts'
import { WrappingBlockDevice } from './wrapping.ts'

/** Which part of the device below it is. */
export interface DevicePartOptions {
  readonly name: string
  /** The sector of the device below that is this device's sector 0. */
  readonly sectorStart: number
  readonly sectors: number
}

/**
 * A run of sectors of another device, as a device.
 *
 * - It belongs to its opener, and so does the device below: `disconnect` waits for its own requests, releases its own
 *   claims, and leaves the device below connected, for other parts.
 * - Its size is fixed; if the device below shrinks into it, `getInfo` returns the rest.
 * - A role is claimed on the device below under the name of `roleBelow`, so parts that begin at different sectors do
 *   not exclude each other.
 */
export abstract class DevicePart extends WrappingBlockDevice {
  readonly #sectors: number

  constructor(below: BlockDevice, info: BlockInfo, options: DevicePartOptions) {
    const { name, sectorStart, sectors } = options
    super(below, {
      name,
      capabilities: { ...below.capabilities, resize: false },
      info: { readWrite: info.readWrite, sectorSize: info.sectorSize, sizeSectors: sectors },
      sectorStart,
    })
    this.#sectors = sectors
  }

  protected override viewOf({ readWrite, sectorSize, sizeSectors }: BlockInfo): BlockInfo {
    const left = Math.min(this.#sectors, sizeSectors - this.sectorStart)
    return { readWrite, sectorSize, sizeSectors: Math.max(0, left) }
  }

  protected override doReadNow(sectorStart: number, buffer: Uint8Array): boolean {
    return this.below.readNow?.(this.sectorStart + sectorStart, buffer) ?? false
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    return this.#fromBelow(await super.doSeekMapped(sectorStart))
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    return this.#fromBelow(await super.doSeekUnmapped(sectorStart))
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    const { peer } = options
    const below = peer === undefined ? options : { ...options, peer: this.#roleBelow(peer) }
    return super.doClaim(this.#roleBelow(role), below)
  }

  protected override doAsk(
    role: string,
    request: string,
    options: AskOptions,
  ): Promise<string | undefined> {
    return super.doAsk(this.#roleBelow(role), request, options)
  }

  protected override doHolderOf(
    role: string,
    options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return super.doHolderOf(this.#roleBelow(role), options)
  }

  protected override async doDisconnect(): Promise<void> {}

  #roleBelow(role: string): string {
    return roleBelow(role, this.sectorStart * this.info.sectorSize)
  }

  /** The device below may know of data or holes only past this part's end. */
  #fromBelow(sector: number): number {
    return Math.min(sector - this.sectorStart, this.info.sizeSectors)
  }
}
