import { systemClock } from '../../../clock.ts'
import { onAbort } from '../../../util/abort.ts'
import {
  DEFAULT_REQUEST_TIMEOUT_MS,
  type NbdBlockDeviceOptions,
  type NbdConnectOptions,
} from '../options.ts'
import { OPTION } from '../protocol.ts'
import { Connection } from '../transport/connection.ts'
import { NbdFault } from '../transport/fault.ts'
import { dialSocket } from '../transport/socket.ts'
import { Wire } from '../transport/wire.ts'
import type { NbdAddress } from '../uri.ts'
import { HandshakeReader } from './handshake-reader.ts'
import { negotiate } from './negotiate.ts'
import { OptionNegotiation } from './option-negotiation.ts'

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000

/**
 * Connects to an export, ready for requests, until the signal aborts.
 * @throws {NbdFault}
 */
export function dial(
  address: NbdAddress,
  options: NbdBlockDeviceOptions,
  signal?: AbortSignal,
): Promise<Connection> {
  const agree = async (negotiation: OptionNegotiation, wire: Wire): Promise<Connection> => {
    const settings = await negotiate(negotiation, address.exportName)
    negotiation.checkSilent()
    const { clock = systemClock, requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS } = options
    return new Connection(wire, settings, clock, requestTimeoutMs)
  }
  return negotiateWith(address, options, agree, signal)
}

/**
 * Connects to a server, with TLS if the address asks for it, and negotiates. If that fails, the connection is closed.
 * @throws {NbdFault}
 */
export async function negotiateWith<T>(
  address: NbdAddress,
  options: NbdConnectOptions,
  agree: (negotiation: OptionNegotiation, wire: Wire) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS, dial = dialSocket } = options
  const { clock = systemClock } = options
  const attempt = new AbortController()
  const listening = onAbort(signal, () => {
    attempt.abort(new NbdFault('lost', 'the connection is no longer needed'))
  })
  void clock.sleep(connectTimeoutMs, attempt.signal).then(
    () => {
      const message = `no connection within ${connectTimeoutMs} ms`
      attempt.abort(new NbdFault('late', message))
    },
    () => undefined,
  )
  try {
    const reader = new HandshakeReader()
    const dialOptions = { signal: attempt.signal, tls: options.tls }
    const wire = await Wire.open(dial, address, dialOptions, reader, clock)
    return await within(attempt.signal, wire, () => negotiateOver(wire, reader, address, agree))
  } finally {
    listening()
    attempt.abort()
  }
}

/** Ends the connection if the signal aborts before the work is done. */
async function within<T>(signal: AbortSignal, wire: Wire, work: () => Promise<T>): Promise<T> {
  const listening = onAbort(signal, () => wire.destroy(signal.reason))
  try {
    return await work()
  } finally {
    listening()
  }
}

async function negotiateOver<T>(
  wire: Wire,
  reader: HandshakeReader,
  { tls }: NbdAddress,
  agree: (negotiation: OptionNegotiation, wire: Wire) => Promise<T>,
): Promise<T> {
  const negotiation = new OptionNegotiation(wire, reader)
  try {
    await negotiation.greet()
    if (tls !== undefined) await encrypt(negotiation, wire)
    return await agree(negotiation, wire)
  } catch (error) {
    if (error instanceof NbdFault && error.kind === 'refused') await negotiation.abort()
    wire.destroy(new NbdFault('lost', 'this client gave up'))
    throw error
  }
}

/** With TLS nothing is sent in the clear, whatever the server replies. */
async function encrypt(negotiation: OptionNegotiation, wire: Wire): Promise<void> {
  const refusal = negotiation.fixedNewstyle
    ? await negotiation.ask(OPTION.startTls, Buffer.alloc(0))
    : { reason: 'it does not support options' }
  if (refusal !== undefined) {
    throw new NbdFault('refused', `the server refuses TLS: ${refusal.reason}`)
  }
  // Bytes before TLS could come from anybody.
  negotiation.checkSilent()
  await wire.startTls()
}
