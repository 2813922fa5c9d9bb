import { type Clock, MAX_TIMER_MS } from '../../clock.ts'
import { checkWhole } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { checkSectorSize } from '../validate.ts'
import type { NbdTlsOptions } from './tls-options.ts'
import type { NbdDial } from './transport/stream.ts'

/** The default of `requestTimeoutMs`. */
export const DEFAULT_REQUEST_TIMEOUT_MS = 30_000

/** Options of connecting to an export. */
export interface NbdConnectOptions {
  /** Milliseconds for one attempt to connect, including name lookup and TLS. Default 10,000. */
  readonly connectTimeoutMs?: number
  /** Overrides the TLS settings of the URI. Default: those of the URI. */
  readonly tls?: NbdTlsOptions
  /**
   * Makes the stream to the server: for tunnels and simulators. Experimental. Default: TCP, or the URI's unix socket.
   */
  readonly dial?: NbdDial
  /** Default: the machine's clock. */
  readonly clock?: Clock
  /** A number from 0 (included) to 1 (excluded), for the jitter of pauses. Default `Math.random`. */
  readonly random?: () => number
}

/** Options of an export as a device. */
export interface NbdBlockDeviceOptions extends NbdConnectOptions {
  /**
   * Bytes in a sector: a power of two from 512 to 65536, and a multiple of the server's smallest block. Default:
   * 512, or the smallest block if that is larger.
   */
  readonly sectorSize?: number
  /** `auto`, the default: for reading and writing if the server lets us, else for reading only. */
  readonly mode?: 'auto' | 'read-write' | 'read-only'
  /**
   * The way in which a durable write reaches stable storage.
   *
   * - `auto`, the default: by one write with FUA, or by a write and a flush where the server has no FUA;
   * - `flush`: by a write and a flush;
   * - `none`: not at all, and `flush` does nothing: for scratch data, and for servers that know neither.
   */
  readonly durability?: 'auto' | 'flush' | 'none'
  /**
   * Milliseconds that a request waits without progress: no byte arrives from the server and none is sent to it, or
   * there is no connection. A slow link gets more time: what is in flight may take as long as it would at 1 KiB a
   * second, up to ten times this value. A large transfer is many requests. `Infinity`: no limit. Default 30,000.
   */
  readonly requestTimeoutMs?: number
  /** Requests in flight on a connection. Default 64. */
  readonly maxInFlight?: number
  /** Connections, at most 16; more than one only if the server allows it (MULTI_CONN). Default 1. */
  readonly connections?: number
  /**
   * The guarantee of a claim. `required`, the default: a role is refused (`BLOCK_UNSUPPORTED`) if another program on
   * this machine could take it too without noticing, because not all names of the role are visible. `best-effort`: it
   * is taken anyway.
   */
  readonly claims?: 'required' | 'best-effort'
  /** Refuse to connect while another program on this machine has connected exclusively. Default false. */
  readonly exclusive?: boolean
}

const CONNECT_KINDS: OptionKinds<NbdConnectOptions> = {
  connectTimeoutMs: 'number',
  tls: 'object',
  dial: 'function',
  clock: 'object',
  random: 'function',
}

const KINDS: OptionKinds<NbdBlockDeviceOptions> = {
  ...CONNECT_KINDS,
  sectorSize: 'number',
  mode: { oneOf: ['auto', 'read-write', 'read-only'] },
  durability: { oneOf: ['auto', 'flush', 'none'] },
  requestTimeoutMs: 'number',
  maxInFlight: 'number',
  connections: 'number',
  claims: { oneOf: ['required', 'best-effort'] },
  exclusive: 'boolean',
}

const TLS_KINDS: OptionKinds<NbdTlsOptions> = {
  ca: ['string', 'object'],
  cert: ['string', 'object'],
  key: ['string', 'object'],
  hostname: 'string',
  verifyPeer: 'boolean',
  psk: 'object',
}

/** @throws {TypeError | RangeError} an option is out of range */
export function checkNbdOptions(call: string, options: NbdBlockDeviceOptions): void {
  checkOptions(call, options, KINDS)
  const { sectorSize, requestTimeoutMs = 1, maxInFlight = 1, connections = 1 } = options
  checkConnecting(call, options)
  if (sectorSize !== undefined) checkSectorSize(sectorSize)
  if (requestTimeoutMs !== Number.POSITIVE_INFINITY) {
    checkWhole({ requestTimeoutMs }, 1, MAX_TIMER_MS)
  }
  checkWhole({ maxInFlight }, 1, 1024)
  checkWhole({ connections }, 1, 16)
}

/** @throws as `checkNbdOptions` */
export function checkNbdConnectOptions(call: string, options: NbdConnectOptions): void {
  checkOptions(call, options, CONNECT_KINDS)
  checkConnecting(call, options)
}

function checkConnecting(call: string, { connectTimeoutMs = 1, tls }: NbdConnectOptions): void {
  checkWhole({ connectTimeoutMs }, 1, MAX_TIMER_MS)
  if (tls === undefined) return
  checkOptions(`${call}: tls`, tls, TLS_KINDS)
  if (tls.hostname === '') throw new RangeError('tls.hostname is empty: leave it out')
}
