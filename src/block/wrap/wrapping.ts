import { BaseBlockDevice } from '../base.ts'
import type {
  AskOptions,
  BlockCapabilities,
  BlockClaim,
  BlockDevice,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
} from '../device.ts'
import type { Permit } from '../permit.ts'

/** The differences of a {@link WrappingBlockDevice} from the device below. */
export interface WrappingOptions {
  readonly name: string
  readonly capabilities: BlockCapabilities
  /** This device's size and sectors at first. */
  readonly info: BlockInfo
  /** The sector of the device below that is this device's sector 0. */
  readonly sectorStart: number
}

/**
 * A device over another one that enforces the rules of {@link BlockDevice} and has its own life cycle: only valid
 * requests reach the device below, and its claims end with it.
 */
export abstract class WrappingBlockDevice extends BaseBlockDevice {
  /** For messages. It contains the name of the device below. */
  override readonly name: string
  override readonly capabilities: BlockCapabilities
  protected override info: BlockInfo
  /** The device below. */
  protected readonly below: BlockDevice
  /** The sector of the device below that is sector 0 here. */
  protected readonly sectorStart: number

  constructor(below: BlockDevice, options: WrappingOptions) {
    super()
    this.below = below
    this.name = options.name
    this.capabilities = options.capabilities
    this.info = options.info
    this.sectorStart = options.sectorStart
  }

  /** That of the device below. */
  get incarnation(): number | undefined {
    return this.below.incarnation
  }

  /** Memory of the device below. */
  override allocate(bytes: number): Uint8Array {
    return this.below.allocate(bytes)
  }

  /** This device's info, from that of the device below. */
  protected abstract viewOf(below: BlockInfo): BlockInfo

  protected override async doGetInfo(): Promise<BlockInfo> {
    this.info = this.viewOf(await this.below.getInfo())
    return this.info
  }

  protected override doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void> {
    return this.below.read(this.sectorStart + sectorStart, buffers, { permit })
  }

  protected override doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    return this.below.write(this.sectorStart + sectorStart, buffers, { durable, permit })
  }

  protected override doFlush(permit: Permit): Promise<void> {
    return this.below.flush({ permit })
  }

  protected override doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    return this.below.discard(this.sectorStart + sectorStart, sectors, { permit })
  }

  protected override doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    return this.below.writeZeroes(this.sectorStart + sectorStart, sectors, { durable, permit })
  }

  protected override async doResize(sizeSectors: number): Promise<void> {
    await this.below.resize(sizeSectors)
    await this.doGetInfo()
  }

  protected override doSeekMapped(sectorStart: number): Promise<number> {
    return this.below.seekMapped(this.sectorStart + sectorStart)
  }

  protected override doSeekUnmapped(sectorStart: number): Promise<number> {
    return this.below.seekUnmapped(this.sectorStart + sectorStart)
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.below.claim(role, options)
  }

  protected override doAsk(
    role: string,
    request: string,
    options: AskOptions,
  ): Promise<string | undefined> {
    return this.below.ask(role, request, options)
  }

  protected override doHolderOf(
    role: string,
    options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return this.below.holderOf(role, options)
  }

  protected override doWatch(onChange: () => void): BlockWatch {
    return this.below.watch(onChange)
  }

  protected override doDisconnect(): Promise<void> {
    return this.below.disconnect()
  }
}
