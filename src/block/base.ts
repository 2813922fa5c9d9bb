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
import { asked, type Permit } from './permit.ts'
import {
  checkClaimOptions,
  checkKey,
  checkRequest,
  checkRole,
  checkSectors,
  checkTransfer,
  disconnected,
  readOnly,
  unsupported,
} from './validate.ts'

/** Zeroes are written in pieces of at most this many bytes. */
const ZEROES_BYTES = 1 << 20

/**
 * Keeps the rules of {@link BlockDevice} that are the same everywhere (arguments, read-only,
 * disconnecting), so that a back-end only transfers bytes: it implements the `do…` methods, which get
 * checked arguments, and states in `capabilities` which of the optional ones it has.
 *
 * The permit of a request was asked when a `do…` method is called. One that splits, queues or repeats a request asks it
 * again before each part that it sends.
 */
export abstract class BaseBlockDevice implements BlockDevice {
  abstract readonly name: string
  readonly capabilities: BlockCapabilities = NO_CAPABILITIES
  readonly #claims = new Set<BlockClaim>()
  readonly #watches = new Set<BlockWatch>()
  #inFlight = 0
  #drained: (() => void) | undefined
  #disconnected: Promise<void> | undefined

  /** What is known of the device without asking it. */
  protected abstract readonly info: BlockInfo
  protected abstract doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void>
  protected abstract doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void>
  protected abstract doFlush(permit: Permit): Promise<void>
  protected abstract doDisconnect(): Promise<void>

  protected async doGetInfo(): Promise<BlockInfo> {
    return this.info
  }

  protected async doDiscard(
    _sectorStart: number,
    _sectors: number,
    _permit: Permit,
  ): Promise<void> {
    throw unsupported(this.name, 'discard')
  }

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

  protected async doResize(_sizeSectors: number): Promise<void> {
    throw unsupported(this.name, 'resize')
  }

  protected async doSeekMapped(_sectorStart: number): Promise<number> {
    throw unsupported(this.name, 'seekMapped')
  }

  protected async doSeekUnmapped(_sectorStart: number): Promise<number> {
    throw unsupported(this.name, 'seekUnmapped')
  }

  protected async doClaim(_role: string, _options: ClaimOptions): Promise<BlockClaim> {
    throw unsupported(this.name, 'claim')
  }

  protected async doAsk(
    _role: string,
    _request: string,
    _options: AskOptions,
  ): Promise<string | undefined> {
    throw unsupported(this.name, 'ask')
  }

  /** A back-end that cannot know the holder returns undefined. */
  protected async doHolderOf(
    _role: string,
    _options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return undefined
  }

  protected doWatch(_onChange: () => void): BlockWatch {
    throw unsupported(this.name, 'watch')
  }

  getInfo(): Promise<BlockInfo> {
    return this.#run(() => this.doGetInfo())
  }

  // Without `#run`, because a function and a promise more take time that a write on a fast disk shows.
  async read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    this.#begin()
    const ask = asked(options?.permit)
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

  async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    this.#begin()
    const ask = asked(options?.permit)
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

  flush(options?: RequestOptions): Promise<void> {
    return this.#send(options, async (permit) => {
      permit()
      await this.doFlush(permit)
    })
  }

  discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return this.#send(options, async (permit) => {
      this.#checkCapability('discard')
      checkSectors(this.info, sectorStart, sectors)
      this.#checkWritable()
      if (sectors === 0) return
      permit()
      await this.doDiscard(sectorStart, sectors, permit)
    })
  }

  writeZeroes(sectorStart: number, sectors: number, options?: WriteOptions): Promise<void> {
    return this.#send(options, async (permit) => {
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
      checkKey(options)
      return this.doAsk(role, request, options)
    })
  }

  holderOf(role: string, options: AskOptions = {}): Promise<BlockHolder | undefined> {
    return this.#run(async () => {
      this.#checkCapability('claim')
      checkRole(role)
      checkKey(options)
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

  /** As `disconnect`, by the name that everything else here has for it. */
  close(): Promise<void> {
    return this.disconnect()
  }

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
    if (!this.capabilities[capability]) throw unsupported(this.name, capability)
  }

  #checkWritable(): void {
    if (!this.info.readWrite) throw readOnly(this.name)
  }

  async #send(
    options: RequestOptions | undefined,
    operation: (permit: Permit) => Promise<void>,
  ): Promise<void> {
    this.#begin()
    const ask = asked(options?.permit)
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
