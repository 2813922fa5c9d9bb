import { BaseBlockDevice } from '../base.ts'
import type {
  BlockCapabilities,
  BlockClaim,
  BlockDevice,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
} from '../device.ts'
import { claimAll } from './claim-all.ts'
import { checkLegs, type Leg, MirrorLegs, type MirrorOptions } from './mirror-legs.ts'
import { RangeLock } from './range-lock.ts'

export { MIRROR_CHANNEL, type MirrorFailure, type MirrorOptions } from './mirror-legs.ts'

/**
 * Two devices that hold the same, as one device of the smaller one's size: writes, durable writes and flushes
 * are done when both legs have done them, reads are answered by the first leg.
 *
 * A leg that fails a request is dropped: the other one answers from then on, alone, the dropped one is never
 * read or written again by this mirror, and `onLegFailed` and the channel {@link MIRROR_CHANNEL} are told. A
 * request fails only with the last leg, which is never dropped. What both legs refuse without doing any I/O
 * (misuse, read-only, disconnected) is passed on and drops none.
 *
 * **After a crash** the legs may differ, and a mirror cannot see it, as it keeps no record of its own:
 * - in what was being written: either content is a right answer, but it must not change with the leg that
 *   answers, so run `resync` from one leg to the other before making the mirror again;
 * - in all that was written since a leg was dropped: the stale leg must be the target of that `resync`. Which
 *   one it is, only the record tells that `onLegFailed` made.
 *
 * `discard` is not supported, since the legs could read differently afterwards. Roles are claimed on both.
 */
export class MirrorBlockDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities
  protected override info: BlockInfo
  readonly #legs: MirrorLegs
  readonly #all: readonly [BlockDevice, BlockDevice]
  /** Overlapping writes are done in turn, or each leg could end up with another one of them. */
  readonly #writing = new RangeLock()

  private constructor(legs: readonly [Leg, Leg], options: MirrorOptions) {
    super()
    const [{ device: a }, { device: b }] = legs
    const [first, second] = [a.capabilities, b.capabilities]
    this.name = `mirror(${a.name}, ${b.name})`
    this.capabilities = {
      discard: false,
      resize: first.resize && second.resize,
      seek: first.seek && second.seek,
      claim: first.claim && second.claim,
      watch: first.watch && second.watch,
      singleSectorBuffers: first.singleSectorBuffers || second.singleSectorBuffers,
    }
    this.#all = [a, b]
    this.#legs = new MirrorLegs(this.name, legs, options)
    this.info = this.#legs.info
  }

  /**
   * Makes a mirror of two devices that hold the same, which from now on are disconnected through it.
   * @throws {TypeError} both are the same device
   * @throws {RangeError} their sectors differ in size
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of a leg
   */
  static async open(
    first: BlockDevice,
    second: BlockDevice,
    options: MirrorOptions = {},
  ): Promise<MirrorBlockDevice> {
    const [firstInfo, secondInfo] = await Promise.all([first.getInfo(), second.getInfo()])
    const legs: readonly [Leg, Leg] = [
      { which: 'first', device: first, info: firstInfo, live: true },
      { which: 'second', device: second, info: secondInfo, live: true },
    ]
    checkLegs(...legs)
    return new MirrorBlockDevice(legs, options)
  }

  /** The leg that was dropped, if one was. */
  get failedLeg(): 'first' | 'second' | undefined {
    return this.#legs.failed?.which
  }

  override allocate(bytes: number): Uint8Array {
    const [first] = this.#all
    return first.allocate(bytes)
  }

  protected override async doGetInfo(): Promise<BlockInfo> {
    await this.#legs.onBoth('getInfo', async (leg) => {
      leg.info = await leg.device.getInfo()
    })
    this.info = this.#legs.info
    return this.info
  }

  protected override doRead(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.#legs.fromOne('read', ({ device }) => device.read(sectorStart, buffers))
  }

  protected override doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
  ): Promise<void> {
    const bytes = buffers.reduce((total, buffer) => total + buffer.byteLength, 0)
    const end = sectorStart + bytes / this.info.sectorSize
    return this.#change('write', sectorStart, end, ({ device }) =>
      device.write(sectorStart, buffers, { durable }),
    )
  }

  protected override doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
  ): Promise<void> {
    return this.#change('writeZeroes', sectorStart, sectorStart + sectors, ({ device }) =>
      device.writeZeroes(sectorStart, sectors, { durable }),
    )
  }

  protected override async doResize(sizeSectors: number): Promise<void> {
    await this.#change('resize', 0, Number.POSITIVE_INFINITY, ({ device }) =>
      device.resize(sizeSectors),
    )
    await this.doGetInfo()
  }

  protected override async doFlush(): Promise<void> {
    await this.#legs.onBoth('flush', ({ device }) => device.flush())
    await this.#legs.recorded
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    const found = await this.#legs.fromOne('seekMapped', ({ device }) =>
      device.seekMapped(sectorStart),
    )
    return Math.min(found, this.info.sizeSectors)
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    const found = await this.#legs.fromOne('seekUnmapped', ({ device }) =>
      device.seekUnmapped(sectorStart),
    )
    return Math.min(found, this.info.sizeSectors)
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return claimAll(
      this.#legs.live.map(({ device }) => device),
      role,
      options,
    )
  }

  protected override async doAsk(role: string, request: string): Promise<string | undefined> {
    for (const { device } of this.#legs.live) {
      const answer = await device.ask(role, request)
      if (answer !== undefined) return answer
    }
    return undefined
  }

  protected override doWatch(onChange: () => void): BlockWatch {
    const watches = this.#legs.live.map(({ device }) => device.watch(onChange))
    return {
      close: () => {
        for (const watch of watches) watch.close()
      },
    }
  }

  protected override async doDisconnect(): Promise<void> {
    await Promise.all(this.#all.map((device) => device.disconnect()))
  }

  #change(
    operation: string,
    start: number,
    end: number,
    request: (leg: Leg) => Promise<void>,
  ): Promise<void> {
    return this.#writing.run(start, end, async () => {
      await this.#legs.onBoth(operation, request)
      await this.#legs.recorded
    })
  }
}
