import type {
  BlockCapabilities,
  BlockDevice,
  RequestOptions,
  WriteOptions,
} from '../../src/block/device.ts'
import { ForwardingBlockDevice } from '../../src/block/wrap/forward.ts'

/** One request, as the device got it. */
export interface Request {
  readonly operation: 'read' | 'write' | 'flush'
  readonly sector: number
  readonly bytes: number
  readonly durable: boolean
}

/** A device that notes its requests, and lets a test interfere with them. */
export class HookedDevice extends ForwardingBlockDevice {
  readonly requests: Request[] = []
  /** Called before each request; may throw or wait. */
  before: (request: Request) => void | Promise<void> = () => undefined
  /** Called after each read, with what was read. */
  afterRead: (request: Request, buffers: readonly Uint8Array[]) => void = () => undefined
  readonly #claims: boolean
  readonly #watch: boolean

  constructor(
    inner: BlockDevice,
    options: { readonly claims?: boolean; readonly watch?: boolean } = {},
  ) {
    super(inner)
    this.#claims = options.claims ?? true
    this.#watch = options.watch ?? true
  }

  override get capabilities(): BlockCapabilities {
    return { ...super.capabilities, claim: this.#claims, watch: this.#watch }
  }

  /** The requests since the last call. */
  take(): Request[] {
    return this.requests.splice(0)
  }

  override async read(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: RequestOptions,
  ): Promise<void> {
    const request = this.#request('read', sectorStart, buffers, false)
    await this.before(request)
    await super.read(sectorStart, buffers, options)
    this.afterRead(request, buffers)
  }

  override async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options: WriteOptions = {},
  ): Promise<void> {
    await this.before(this.#request('write', sectorStart, buffers, options.durable ?? false))
    await super.write(sectorStart, buffers, options)
  }

  override async flush(options?: RequestOptions): Promise<void> {
    await this.before(this.#request('flush', 0, [], false))
    await super.flush(options)
  }

  #request(
    operation: Request['operation'],
    sector: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
  ): Request {
    const bytes = buffers.reduce((sum, buffer) => sum + buffer.length, 0)
    const request = { operation, sector, bytes, durable }
    this.requests.push(request)
    return request
  }
}
