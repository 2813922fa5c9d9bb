import type {
  AskOptions,
  BlockCapabilities,
  BlockClaim,
  BlockDevice,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
  RequestOptions,
  WriteOptions,
} from './device.ts'
import { NO_CAPABILITIES } from './device.ts'
import type { AskedPermit, Permit } from './permit.ts'
import {
  askedOf,
  checkAskOptions,
  checkClaimOptions,
  checkRequest,
  checkRole,
  checkSectors,
  checkTransfer,
  disconnected,
  REQUEST_KINDS,
  readOnly,
  unsupportedError,
  WRITE_KINDS,
} from './validate.ts'

/** Zeroes are written in pieces of at most this many bytes. */
const ZEROES_BYTES = 1 << 20

/**
 * Keeps the rules of {@link BlockDevice} that are the same everywhere (arguments, read-only,
 * disconnecting), so that a back-end only transfers bytes, in its `do…` methods: docs/back-ends.md has the rules for
 * them.
 *
 * The permit of a request was asked when a `do…` method is called. One that splits, queues or repeats a request asks it
 * again before each part that it sends.
 *
 * @example
 * ```ts
 * import { BaseBlockDevice, type BlockInfo } from 'shared-block-ring/block'
 *
 * class ZeroBlockDevice extends BaseBlockDevice {
 *   override readonly name = 'zero'
 *   protected override readonly info: BlockInfo = { readWrite: false, sectorSize: 512, sizeSectors: 8 }
 *   protected override async doRead(_: number, buffers: readonly Uint8Array[]): Promise<void> {
 *     for (const buffer of buffers) buffer.fill(0)
 *   }
 *   protected override async doWrite(): Promise<void> {}
 *   protected override async doFlush(): Promise<void> {}
 *   protected override async doDisconnect(): Promise<void> {}
 * }
 * await using device = new ZeroBlockDevice()
 * await device.read(9, [new Uint8Array(512)]).catch((error) => console.log(error.name)) // RangeError
 * ```
 */
export abstract class BaseBlockDevice implements BlockDevice {
  abstract readonly name: string
  /** The operations beyond reading and writing: `{ ...NO_CAPABILITIES, discard: true }`. */
  readonly capabilities: BlockCapabilities = NO_CAPABILITIES
  readonly #claims = new Set<BlockClaim>()
  readonly #watches = new Set<BlockWatch>()
  #inFlight = 0
  #drained: (() => void) | undefined
  #disconnected: Promise<void> | undefined

  /** The device's sectors and size as last known: requests are checked against it. Replace it when the size changes. */
  protected abstract readonly info: BlockInfo

  /**
   * Fills the buffers, in their order, from `sectorStart` on, and must fill all of them.
   *
   * As in every `do…` method, the request is checked: it lies within `info.sizeSectors`, and has at least one sector
   * and whole ones. Calls overlap, and none is made after `disconnect`. A method that splits a request settles when all
   * parts have, even if one of them failed (`Promise.allSettled`): after a rejection the caller reuses its buffers. It
   * fails with a `BlockError` with one of `BLOCK_ERROR_CODES`, or with a code of the back-end.
   */
  protected abstract doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void>

  /**
   * Fills the buffer before it returns, if that takes no longer than a copy in memory; else returns false. It must not
   * throw.
   */
  protected doReadNow(_sectorStart: number, _buffer: Uint8Array): boolean {
    return false
  }

  /**
   * Writes the buffers, in their order, from `sectorStart` on, without a copy: they do not change until it settles. If
   * `durable`, it resolves when the data is on stable storage; with a device that has no such write, write and then
   * flush.
   */
  protected abstract doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void>

  /**
   * Puts all data on stable storage that was written before the call, through any handle. After a rejection the cache
   * may have dropped it, so a later flush must not resolve as if that data were safe: rings attach again then.
   */
  protected abstract doFlush(permit: Permit): Promise<void>

  /** Closes the back-end's resources. Called once, with no request in flight; it must not reject. */
  protected abstract doDisconnect(): Promise<void>

  /** Asks the device for its size, and updates `info`. The default is for a device that never changes. */
  protected async doGetInfo(): Promise<BlockInfo> {
    return this.info
  }

  /** Frees the space of these sectors (capability `discard`). */
  protected async doDiscard(
    _sectorStart: number,
    _sectors: number,
    _permit: Permit,
  ): Promise<void> {
    throw unsupportedError(this.name, 'discard')
  }

  /** Makes these sectors read as zeroes. */
  protected async doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    const { sectorSize } = this.info
    const step = this.capabilities.singleSectorBuffers ? 1 : Math.max(1, ZEROES_BYTES / sectorSize)
    const zeroes = this.allocate(Math.min(step, sectors) * sectorSize)
    for (let done = 0; done < sectors; done += step) {
      const bytes = Math.min(step, sectors - done) * sectorSize
      permit()
      await this.doWrite(sectorStart + done, [zeroes.subarray(0, bytes)], false, permit)
    }
    if (!durable) return
    permit()
    await this.doFlush(permit)
  }

  /** Changes the size, and sets `info` (capability `resize`). New sectors read as zeroes. */
  protected async doResize(_sizeSectors: number): Promise<void> {
    throw unsupportedError(this.name, 'resize')
  }

  /** The first sector from `sectorStart` on that may hold data, or the size (capability `seek`). */
  protected async doSeekMapped(_sectorStart: number): Promise<number> {
    throw unsupportedError(this.name, 'seekMapped')
  }

  /** The first sector from `sectorStart` on that is a hole, or the size (capability `seek`). */
  protected async doSeekUnmapped(_sectorStart: number): Promise<number> {
    throw unsupportedError(this.name, 'seekUnmapped')
  }

  /**
   * Makes a role exclusive until it is released or the process ends (capability `claim`); throws `claimedError` if it
   * is held. See `LocalClaims`.
   */
  protected async doClaim(_role: string, _options: ClaimOptions): Promise<BlockClaim> {
    throw unsupportedError(this.name, 'claim')
  }

  /** Sends a request to the holder of the role (capability `claim`). */
  protected async doAsk(
    _role: string,
    _request: string,
    _options: AskOptions,
  ): Promise<string | undefined> {
    throw unsupportedError(this.name, 'ask')
  }

  /** The holder of the role (capability `claim`). A back-end that cannot tell returns undefined. */
  protected async doHolderOf(
    _role: string,
    _options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return undefined
  }

  /** Calls back when the device may have changed (capability `watch`). */
  protected doWatch(_onChange: () => void): BlockWatch {
    throw unsupportedError(this.name, 'watch')
  }

  getInfo(): Promise<BlockInfo> {
    return this.#run(() => this.doGetInfo())
  }

  // Without `#run`: one more function and promise would cost measurable time on a fast disk.
  async read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    const ask = askedOf('read', options, REQUEST_KINDS)
    this.#begin()
    try {
      const { singleSectorBuffers } = this.capabilities
      const sectors = checkTransfer(this.info, sectorStart, buffers, singleSectorBuffers)
      if (sectors === 0) return
      ask.permit()
      await this.doRead(sectorStart, buffers, ask.permit)
    } catch (error) {
      throw ask.refused === undefined ? error : ask.refused.reason
    } finally {
      this.#end()
    }
  }

  readNow(sectorStart: number, buffer: Uint8Array): boolean {
    try {
      checkTransfer(this.info, sectorStart, [buffer])
    } catch {
      return false
    }
    return this.#disconnected === undefined && this.doReadNow(sectorStart, buffer)
  }

  async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    const ask = askedOf('write', options, WRITE_KINDS)
    this.#begin()
    try {
      const { singleSectorBuffers } = this.capabilities
      const sectors = checkTransfer(this.info, sectorStart, buffers, singleSectorBuffers)
      this.#checkWritable()
      if (sectors === 0) return
      ask.permit()
      await this.doWrite(sectorStart, buffers, options?.durable ?? false, ask.permit)
    } catch (error) {
      throw ask.refused === undefined ? error : ask.refused.reason
    } finally {
      this.#end()
    }
  }

  async flush(options?: RequestOptions): Promise<void> {
    return this.#send(askedOf('flush', options, REQUEST_KINDS), async (permit) => {
      permit()
      await this.doFlush(permit)
    })
  }

  async discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return this.#send(askedOf('discard', options, REQUEST_KINDS), async (permit) => {
      this.#checkCapability('discard')
      checkSectors(this.info, sectorStart, sectors)
      this.#checkWritable()
      if (sectors === 0) return
      permit()
      await this.doDiscard(sectorStart, sectors, permit)
    })
  }

  async writeZeroes(sectorStart: number, sectors: number, options?: WriteOptions): Promise<void> {
    return this.#send(askedOf('writeZeroes', options, WRITE_KINDS), async (permit) => {
      checkSectors(this.info, sectorStart, sectors)
      this.#checkWritable()
      if (sectors === 0) return
      permit()
      await this.doWriteZeroes(sectorStart, sectors, options?.durable ?? false, permit)
    })
  }

  resize(sizeSectors: number): Promise<void> {
    return this.#run(async () => {
      this.#checkCapability('resize')
      checkSectors({ ...this.info, sizeSectors: Number.MAX_SAFE_INTEGER }, 0, sizeSectors)
      this.#checkWritable()
      await this.doResize(sizeSectors)
    })
  }

  seekMapped(sectorStart: number): Promise<number> {
    return this.#run(async () => {
      this.#checkCapability('seek')
      checkSectors(this.info, sectorStart, 0)
      return this.doSeekMapped(sectorStart)
    })
  }

  seekUnmapped(sectorStart: number): Promise<number> {
    return this.#run(async () => {
      this.#checkCapability('seek')
      checkSectors(this.info, sectorStart, 0)
      return this.doSeekUnmapped(sectorStart)
    })
  }

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(bytes)
  }

  claim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.#run(async () => {
      this.#checkCapability('claim')
      checkRole(role)
      checkClaimOptions(options)
      const inner = await this.doClaim(role, options)
      let released: Promise<void> | undefined
      const claim: BlockClaim = {
        ...inner,
        release: () => {
          released ??= inner.release().finally(() => this.#claims.delete(claim))
          return released
        },
      }
      this.#claims.add(claim)
      return claim
    })
  }

  ask(role: string, request: string, options: AskOptions = {}): Promise<string | undefined> {
    return this.#run(async () => {
      this.#checkCapability('claim')
      checkRole(role)
      checkRequest(request)
      checkAskOptions('ask', options)
      return this.doAsk(role, request, options)
    })
  }

  holderOf(role: string, options: AskOptions = {}): Promise<BlockHolder | undefined> {
    return this.#run(async () => {
      this.#checkCapability('claim')
      checkRole(role)
      checkAskOptions('holderOf', options)
      return this.doHolderOf(role, options)
    })
  }

  watch(onChange: () => void): BlockWatch {
    if (this.#disconnected !== undefined) throw disconnected(this.name)
    this.#checkCapability('watch')
    const inner = this.doWatch(onChange)
    const watch: BlockWatch = {
      get works() {
        return inner.works
      },
      close: () => {
        if (this.#watches.delete(watch)) inner.close()
      },
    }
    this.#watches.add(watch)
    return watch
  }

  disconnect(): Promise<void> {
    this.#disconnected ??= this.#close()
    return this.#disconnected
  }

  /** As `disconnect`, under the name that other classes use. */
  close(): Promise<void> {
    return this.disconnect()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect()
  }

  async #close(): Promise<void> {
    if (this.#inFlight > 0) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve
      })
    }
    for (const watch of this.#watches) watch.close()
    for (const claim of this.#claims) await claim.release()
    await this.doDisconnect()
  }

  #checkCapability(capability: 'discard' | 'resize' | 'seek' | 'claim' | 'watch'): void {
    if (!this.capabilities[capability]) throw unsupportedError(this.name, capability)
  }

  #checkWritable(): void {
    if (!this.info.readWrite) throw readOnly(this.name)
  }

  async #send(ask: AskedPermit, operation: (permit: Permit) => Promise<void>): Promise<void> {
    this.#begin()
    try {
      await operation(ask.permit)
    } catch (error) {
      throw ask.refused === undefined ? error : ask.refused.reason
    } finally {
      this.#end()
    }
  }

  async #run<T>(operation: () => Promise<T>): Promise<T> {
    this.#begin()
    try {
      return await operation()
    } finally {
      this.#end()
    }
  }

  #begin(): void {
    if (this.#disconnected !== undefined) throw disconnected(this.name)
    this.#inFlight++
  }

  #end(): void {
    this.#inFlight--
    if (this.#inFlight === 0) this.#drained?.()
  }
}
