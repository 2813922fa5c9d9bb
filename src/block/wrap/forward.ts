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
} from '../device.ts'

/** A device that forwards every call to the wrapped one; wrappers override what they change. */
export abstract class ForwardingBlockDevice implements BlockDevice {
  /** The wrapped device. */
  protected readonly inner: BlockDevice

  constructor(inner: BlockDevice) {
    this.inner = inner
  }

  get name(): string {
    return this.inner.name
  }

  get capabilities(): BlockCapabilities {
    return this.inner.capabilities
  }

  get incarnation(): number | undefined {
    return this.inner.incarnation
  }

  getInfo(): Promise<BlockInfo> {
    return this.inner.getInfo()
  }

  read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    return this.inner.read(sectorStart, buffers, options)
  }

  write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    return this.inner.write(sectorStart, buffers, options)
  }

  flush(options?: RequestOptions): Promise<void> {
    return this.inner.flush(options)
  }

  discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void> {
    return this.inner.discard(sectorStart, sectors, options)
  }

  writeZeroes(sectorStart: number, sectors: number, options?: WriteOptions): Promise<void> {
    return this.inner.writeZeroes(sectorStart, sectors, options)
  }

  resize(sizeSectors: number): Promise<void> {
    return this.inner.resize(sizeSectors)
  }

  seekMapped(sectorStart: number): Promise<number> {
    return this.inner.seekMapped(sectorStart)
  }

  seekUnmapped(sectorStart: number): Promise<number> {
    return this.inner.seekUnmapped(sectorStart)
  }

  allocate(bytes: number): Uint8Array {
    return this.inner.allocate(bytes)
  }

  claim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return this.inner.claim(role, options)
  }

  ask(role: string, request: string, options?: AskOptions): Promise<string | undefined> {
    return this.inner.ask(role, request, options)
  }

  holderOf(role: string, options?: AskOptions): Promise<BlockHolder | undefined> {
    return this.inner.holderOf(role, options)
  }

  watch(onChange: () => void): BlockWatch {
    return this.inner.watch(onChange)
  }

  disconnect(): Promise<void> {
    return this.inner.disconnect()
  }

  /** As `disconnect`, under the name that other classes use. */
  close(): Promise<void> {
    return this.disconnect()
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.disconnect()
  }
}
