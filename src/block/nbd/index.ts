/**
 * Exports of NBD servers as block devices.
 *
 * @module shared-block-ring/block/nbd
 */
import { systemClock } from '../../clock.ts'
import { BaseBlockDevice } from '../base.ts'
import { acquireClaim, askHolder, type ClaimTarget, findHolder } from '../claim/claim.ts'
import type {
  AskOptions,
  BlockCapabilities,
  BlockClaim,
  BlockHolder,
  BlockInfo,
  ClaimOptions,
} from '../device.ts'
import type { FailedRequest } from '../failed-request.ts'
import { ALWAYS, type Permit } from '../permit.ts'
import { runs } from '../runs.ts'
import { claimTarget } from './claim.ts'
import { connectError, isRefusedHint, requestError } from './errors.ts'
import { dial } from './handshake/dial.ts'
import {
  checkSameExport,
  type ExportSettings,
  exportSettingsOf,
} from './handshake/export-settings.ts'
import {
  checkNbdOptions,
  DEFAULT_REQUEST_TIMEOUT_MS,
  type NbdBlockDeviceOptions,
} from './options.ts'
import { COMMAND, COMMAND_FLAG } from './protocol.ts'
import type { Connection } from './transport/connection.ts'
import { ConnectionPool } from './transport/connection-pool.ts'
import type { Status } from './transport/exchange.ts'
import { findMapped, findUnmapped, StatusRequests, StatusSearch } from './transport/extents.ts'
import { FlushTracker } from './transport/flush-tracker.ts'
import { inParallel, piecesOf } from './transport/pieces.ts'
import type { Request } from './transport/request.ts'
import { PIECES_IN_WINDOW } from './transport/send-window.ts'
import { type NbdAddress, parseNbdUri } from './uri.ts'

export type { NbdBlockErrorCode } from './errors.ts'
export { listNbdExports, type NbdExport } from './handshake/list.ts'
export type { NbdBlockDeviceOptions, NbdConnectOptions } from './options.ts'
export type { NbdTlsOptions } from './tls-options.ts'
export type { NbdCommand, NbdEvent } from './transport/events.ts'
export type { NbdDial, NbdDialOptions, NbdStream, NbdStreamReceiver } from './transport/stream.ts'
export type { NbdAddress, NbdUriTls } from './uri.ts'

const DEFAULT_IN_FLIGHT = 64

/**
 * An export of an NBD server (nbdkit, qemu-nbd, nbd-server, …) as a block device. If its length is not a whole number
 * of sectors, the rest at the end is not used. Its size is the one that the server reported on connecting.
 *
 * A lost connection is re-established when it is next needed. Reads are then sent again; a write or a flush without
 * an answer is rejected, because its outcome is unknown. Its errors have the codes of {@link NbdBlockErrorCode}.
 *
 * @example
 * ```ts
 * import { RingReader } from 'shared-block-ring'
 * import { NbdBlockDevice } from 'shared-block-ring/block/nbd'
 *
 * await using device = await NbdBlockDevice.open('nbd+unix:///queue?socket=/run/sbr/queue.sock')
 * await using reader = await RingReader.open(device)
 * ```
 */
export class NbdBlockDevice extends BaseBlockDevice {
  override readonly name: string
  override readonly capabilities: BlockCapabilities
  /** The way in which durable writes reach stable storage. */
  readonly durability: 'fua' | 'flush' | 'none'
  protected override info: BlockInfo
  readonly #settings: ExportSettings
  readonly #pool: ConnectionPool
  readonly #flushTracker: FlushTracker
  readonly #statusRequests: StatusRequests
  readonly #claimTarget: ClaimTarget

  private constructor(
    address: NbdAddress,
    options: NbdBlockDeviceOptions,
    first: Connection,
    claims: ClaimTarget,
  ) {
    super()
    const settings = exportSettingsOf(address.uri, first.export, options)
    this.name = address.uri
    this.capabilities = settings.capabilities
    this.durability = settings.durability
    this.info = settings.info
    this.#settings = settings
    this.#claimTarget = claims
    const poolOptions = {
      device: address.uri,
      dial: (signal: AbortSignal) => dialAgain(address, options, first, signal),
      onLost: () => this.#flushTracker.lost(),
      connections: settings.multiConn ? (options.connections ?? 1) : 1,
      maxInFlight: options.maxInFlight ?? DEFAULT_IN_FLIGHT,
      requestTimeoutMs: options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS,
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
    }
    this.#pool = new ConnectionPool(poolOptions, first)
    this.#flushTracker = new FlushTracker(this.#pool)
    this.#statusRequests = new StatusRequests(settings, async (offset, length) => {
      const flags = COMMAND_FLAG.reqOne
      const asked = { command: COMMAND.blockStatus, flags, offset, length, permit: ALWAYS }
      return (await this.#request(asked)) ?? { length, flags: 0 }
    })
  }

  /**
   * Connects to the export that a URI names: `nbd://host[:port]/export`, `nbds://…` with TLS, or
   * `nbd+unix:///export?socket=PATH`.
   * @throws {TypeError | RangeError} an option is out of range, or does not fit this server
   * @throws {BlockError} `BLOCK_URI`, `BLOCK_OPEN`, `BLOCK_READ_ONLY`, `BLOCK_CLAIMED`, `BLOCK_UNSUPPORTED`,
   *   `BLOCK_PROTOCOL`
   */
  static async open(uri: string, options: NbdBlockDeviceOptions = {}): Promise<NbdBlockDevice> {
    const address = parseNbdUri(uri)
    checkNbdOptions('NbdBlockDevice.open', options)
    const first = await dial(address, options).catch((fault: unknown) => {
      throw connectError(uri, fault)
    })
    try {
      const device = new NbdBlockDevice(
        address,
        options,
        first,
        await claimTarget(address, options),
      )
      if (options.exclusive === true) {
        await device.claim('device', { holder: 'a program that connected exclusively' })
      }
      return device
    } catch (error) {
      await first.close()
      throw error
    }
  }

  /** The number of times that a connection was re-established. */
  get incarnation(): number {
    return this.#pool.renewals
  }

  protected override async doRead(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    permit: Permit,
  ): Promise<void> {
    const flags = this.#settings.df ? COMMAND_FLAG.df : 0
    await this.#transfer({ command: COMMAND.read, flags, permit }, 'read', sectorStart, buffers)
  }

  protected override async doWrite(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    const fua = this.#isFua(durable, bytesOf(buffers) <= this.#pieceBytes)
    const flags = fua ? COMMAND_FLAG.fua : 0
    await this.#transfer({ command: COMMAND.write, flags, permit }, 'write', sectorStart, buffers)
    if (durable && !fua) await this.doFlush(permit)
  }

  protected override async doWriteZeroes(
    sectorStart: number,
    sectors: number,
    durable: boolean,
    permit: Permit,
  ): Promise<void> {
    if (!this.#settings.zeroes) {
      await super.doWriteZeroes(sectorStart, sectors, durable, permit)
      return
    }
    const fua = this.#isFua(durable, sectors * this.info.sectorSize <= this.#settings.rangeBytes)
    // Zeroes keep their space, so that later writes do not wait for allocation; discard frees it.
    const flags = COMMAND_FLAG.noHole | (fua ? COMMAND_FLAG.fua : 0)
    const kind = { command: COMMAND.writeZeroes, flags, permit }
    try {
      await this.#range(kind, 'write zeroes to', sectorStart, sectors)
    } catch (error) {
      // The command only saves sending the zeroes. Other failures, such as a lost connection, are reported.
      if (!isRefusedHint(error)) throw error
      await super.doWriteZeroes(sectorStart, sectors, durable, permit)
      return
    }
    if (durable && !fua) await this.doFlush(permit)
  }

  protected override async doDiscard(
    sectorStart: number,
    sectors: number,
    permit: Permit,
  ): Promise<void> {
    await this.#range({ command: COMMAND.trim, flags: 0, permit }, 'discard', sectorStart, sectors)
  }

  protected override async doFlush(permit: Permit): Promise<void> {
    if (this.durability === 'none') return
    const failing = { device: this.name, operation: 'flush' }
    await withRequestErrors(failing, () => this.#flushTracker.flush(permit))
  }

  protected override async doSeekMapped(sectorStart: number): Promise<number> {
    return this.#seek(findMapped, sectorStart)
  }

  protected override async doSeekUnmapped(sectorStart: number): Promise<number> {
    return this.#seek(findUnmapped, sectorStart)
  }

  protected override doClaim(role: string, options: ClaimOptions): Promise<BlockClaim> {
    return acquireClaim(this.#claimTarget, role, options)
  }

  protected override doAsk(
    role: string,
    request: string,
    options: AskOptions,
  ): Promise<string | undefined> {
    return askHolder(this.#claimTarget, role, request, options)
  }

  protected override doHolderOf(
    role: string,
    options: AskOptions,
  ): Promise<BlockHolder | undefined> {
    return findHolder(this.#claimTarget, role, options)
  }

  protected override doDisconnect(): Promise<void> {
    return this.#pool.close()
  }

  #request(request: Omit<Request, 'parts'>): Promise<Status | undefined> {
    return this.#pool.request({ ...request, parts: [] })
  }

  /** Bytes in a request with data, within the limits of the server and the connections: whole sectors. */
  get #pieceBytes(): number {
    const { sectorSize } = this.info
    const sectors = Math.floor(this.#pool.pieceBytes / sectorSize)
    return Math.min(this.#settings.transferBytes, Math.max(1, sectors) * sectorSize)
  }

  /** True if a write is durable by itself. For several pieces, one flush at the end is cheaper. */
  #isFua(durable: boolean, isOnePiece: boolean): boolean {
    return durable && isOnePiece && this.durability === 'fua'
  }

  async #transfer(
    kind: Pick<Request, 'command' | 'flags' | 'permit'>,
    operation: string,
    sector: number,
    buffers: readonly Uint8Array[],
  ): Promise<void> {
    const { sectorSize } = this.info
    const bytes = bytesOf(buffers)
    const failing = { device: this.name, operation, sector, sectors: bytes / sectorSize }
    const start = sector * sectorSize
    if (bytes <= this.#pieceBytes) {
      const request = { ...kind, offset: start, length: bytes, parts: buffers }
      await withRequestErrors(failing, () => this.#pool.request(request))
      return
    }
    let next = start
    const pieces = runs(buffers, () => this.#pieceBytes)
    await withRequestErrors(failing, () =>
      inParallel(pieces, PIECES_IN_WINDOW, kind.permit, ({ parts, bytes: length }, shared) => {
        const offset = next
        next += length
        return this.#pool.request({ ...kind, ...shared, offset, length, parts })
      }),
    )
  }

  async #range(
    kind: Pick<Request, 'command' | 'flags' | 'permit'>,
    operation: string,
    sector: number,
    sectors: number,
  ): Promise<void> {
    const { sectorSize } = this.info
    const pieces = piecesOf(sector * sectorSize, sectors * sectorSize, this.#settings.rangeBytes)
    await withRequestErrors({ device: this.name, operation, sector, sectors }, () =>
      inParallel(pieces, PIECES_IN_WINDOW, kind.permit, (piece, shared) =>
        this.#request({ ...kind, ...shared, ...piece }),
      ),
    )
  }

  async #seek(find: typeof findMapped, sector: number): Promise<number> {
    const { sectorSize, sizeSectors } = this.info
    const end = sizeSectors * sectorSize
    const search = new StatusSearch(this.#statusRequests, end)
    const ask = (offset: number): Promise<Status> => search.ask(offset)
    const failing = { device: this.name, operation: 'seek in' }
    try {
      return (
        (await withRequestErrors(failing, () => find(ask, sectorSize, sector, end))) ?? sizeSectors
      )
    } finally {
      await search.close()
    }
  }
}

function bytesOf(buffers: readonly Uint8Array[]): number {
  return buffers.reduce((sum, buffer) => sum + buffer.length, 0)
}

async function dialAgain(
  address: NbdAddress,
  options: NbdBlockDeviceOptions,
  before: Connection,
  signal: AbortSignal,
): Promise<Connection> {
  const connection = await dial(address, options, signal)
  try {
    checkSameExport(before.export, connection.export)
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** Turns failures between client and server into errors of the request. */
async function withRequestErrors<T>(failing: FailedRequest, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (fault) {
    throw requestError(failing, fault)
  }
}
