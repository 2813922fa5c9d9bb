import { BaseBlockDevice } from '../../block/base.ts'
import {
  type BlockCapabilities,
  type BlockClaim,
  type BlockHolder,
  type BlockInfo,
  type ClaimOptions,
  NO_CAPABILITIES,
} from '../../block/device.ts'
import { ASK_TIMEOUT_MS, claimedError } from '../../block/validate.ts'
import { hintsIn } from './hints.ts'
import type { InFlight, SimProcess } from './process.ts'
import type { Random } from './random.ts'
import { FlushRequest, ReadRequest, type RequestEnd, WriteRequest } from './request.ts'
import type { World } from './world.ts'

/** The most that code under test may allocate at once. */
export const MAX_ALLOCATION: number = 1 << 20

/** A process's view of the simulated disk: like `O_DIRECT`, it sees the disk's cache. */
export class SimDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities
  /** The storage lost something that this view did not flush: its next flush fails. */
  lost = false
  readonly #process: SimProcess
  readonly #world: World
  readonly #maxAllocation: number

  /** `maxAllocation`: allocating more at once is refused, because a field on the disk must have sized it. */
  constructor(process: SimProcess, options: { claims: boolean; maxAllocation: number }) {
    super()
    this.name = 'sim'
    this.capabilities = { ...NO_CAPABILITIES, claim: options.claims }
    this.#process = process
    this.#world = process.world
    this.#maxAllocation = options.maxAllocation
  }

  protected override get info(): BlockInfo {
    const { disk, refuses } = this.#world
    const { sectorSize, sizeSectors } = disk
    return { readWrite: !refuses, sectorSize, sizeSectors }
  }

  /** Fails for more than a ring may need. */
  override allocate(bytes: number): Uint8Array {
    if (!(bytes <= this.#maxAllocation)) {
      throw new Error(`the code under test allocates ${bytes} bytes at once`)
    }
    return super.allocate(bytes)
  }

  protected override doRead(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    const offset = sectorStart * this.info.sectorSize
    return this.#submit(
      (name, random, end) =>
        new ReadRequest(this.#world, this.#process, name, random, end, offset, buffers),
    )
  }

  /** Supported in half of all runs; in the others, a waiting reader has to read asynchronously. */
  protected override doReadNow(sectorStart: number, buffer: Uint8Array): boolean {
    const { disk, seed } = this.#world
    const offset = sectorStart * disk.sectorSize
    const isReadable = this.#process.alive && disk.readable(offset, buffer.length)
    if (seed % 2 === 0 || !isReadable) return false
    buffer.set(disk.visible.subarray(offset, offset + buffer.length))
    const [first, last] = disk.span(offset, buffer.length)
    for (let at = first; at <= last; at++) disk.see(at)
    return true
  }

  protected override doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
  ): Promise<void> {
    const offset = sectorStart * this.info.sectorSize
    return this.#submit(
      (name, random, end) =>
        new WriteRequest(this.#world, this.#process, name, random, end, offset, buffers, durable),
    )
  }

  protected override doFlush(): Promise<void> {
    const lost = (): boolean => {
      const was = this.lost
      this.lost = false
      return was
    }
    return this.#submit(
      (name, random, end) => new FlushRequest(this.#world, this.#process, name, random, end, lost),
    )
  }

  protected override async doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    if (this.#isHeldBySilent(role)) await this.#process.clock.sleep(ASK_TIMEOUT_MS)
    return claimIn(this.#process, this.name, role, options)
  }

  protected override async doHolderOf(role: string): Promise<BlockHolder | undefined> {
    if (this.#isHeldBySilent(role)) await this.#process.clock.sleep(ASK_TIMEOUT_MS)
    const holder = this.#process.host.claims.get(role)
    return holder && { holder: holder.names.role }
  }

  /**
   * True if the holder of a role does not answer when asked for its name: callers wait for it as long as they do for
   * files.
   */
  #isHeldBySilent(role: string): boolean {
    return (this.#process.host.claims.get(role)?.pausedMs ?? 0) > 0
  }

  protected override async doAsk(): Promise<string | undefined> {
    return undefined
  }

  protected override async doDisconnect(): Promise<void> {}

  #submit(
    make: (name: string, random: Random, end: RequestEnd) => InFlight & { readonly ms: number },
  ): Promise<void> {
    const process = this.#process
    // A process that has ended makes no more requests, even if a test still has its objects.
    if (!process.alive) return new Promise<void>(() => undefined)
    process.requests++
    process.ringCalls++
    this.#world.counts.requests++
    const { name, random } = process.names.next(this.#world.seed)
    return new Promise<void>((resolve, reject) => {
      const request = make(name, random, (error) => {
        process.inFlight.delete(request)
        return process.whenRunning(() => {
          if (error === undefined) resolve()
          else reject(error)
        })
      })
      process.inFlight.add(request)
      process.onRequest?.(request.ms)
    })
  }
}

/**
 * Claims a role on a process's machine.
 * @throws {BlockError} `BLOCK_CLAIMED`
 */
export function claimIn(
  process: SimProcess,
  device: string,
  role: string,
  options: ClaimOptions,
): BlockClaim {
  const { claims } = process.host
  if (claims.has(role)) throw claimedError(device, role, options.holder)
  claims.set(role, process)
  const hints = hintsIn(process, role, options)
  return {
    ...(hints && { hints }),
    release: async () => {
      if (claims.get(role) === process) claims.delete(role)
    },
  }
}
