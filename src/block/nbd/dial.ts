import { Connection } from './connection.ts'
import { NbdFault } from './fault.ts'
import { Haggle } from './haggle.ts'
import { Inbox } from './inbox.ts'
import { negotiate } from './negotiate.ts'
import type { NbdConnectOptions } from './options.ts'
import { OPTION } from './protocol.ts'
import { tlsOptions } from './tls.ts'
import type { NbdAddress } from './uri.ts'
import { Wire } from './wire.ts'

const DEFAULT_CONNECT_TIMEOUT_MS = 10_000

/**
 * Connects to an export, ready for requests; gives up when the signal says so.
 * @throws {NbdFault}
 */
export function dial(
  address: NbdAddress,
  options: NbdConnectOptions,
  signal?: AbortSignal,
): Promise<Connection> {
  const agree = async (haggle: Haggle, wire: Wire): Promise<Connection> => {
    const terms = await negotiate(haggle, address.exportName)
    haggle.checkSilent()
    return new Connection(wire, terms)
  }
  return haggleWith(address, options, agree, signal)
}

/**
 * Connects to a server, encrypted if the address says so, and agrees with it on something. The connection is closed
 * if that fails.
 * @throws {NbdFault}
 */
export async function haggleWith<T>(
  address: NbdAddress,
  options: NbdConnectOptions,
  agree: (haggle: Haggle, wire: Wire) => Promise<T>,
  signal?: AbortSignal,
): Promise<T> {
  const { connectTimeoutMs = DEFAULT_CONNECT_TIMEOUT_MS } = options
  const inbox = new Inbox()
  const wire = Wire.open(address, inbox)
  const timer = setTimeout(() => {
    wire.destroy(new NbdFault('late', `there was no connection within ${connectTimeoutMs} ms`))
  }, connectTimeoutMs)
  const giveUp = (): void => wire.destroy(new NbdFault('lost', 'nobody wants the connection now'))
  signal?.addEventListener('abort', giveUp)
  const haggle = new Haggle(wire, inbox)
  try {
    await haggle.greet()
    await encrypt(address, options, haggle, wire)
    return await agree(haggle, wire)
  } catch (error) {
    if (error instanceof NbdFault && error.kind === 'refused') await haggle.abort()
    wire.destroy(new NbdFault('lost', 'this client gave up'))
    throw error
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

/** What is to be encrypted is never sent in the clear, whatever the server says. */
async function encrypt(
  address: NbdAddress,
  options: NbdConnectOptions,
  haggle: Haggle,
  wire: Wire,
): Promise<void> {
  const { tls } = address
  if (tls === undefined) return
  const connectionOptions = await tlsOptions({ ...address, tls }, options.tls)
  const refusal = haggle.fixedNewstyle
    ? await haggle.ask(OPTION.startTls, Buffer.alloc(0))
    : { reason: 'it knows no options' }
  if (refusal !== undefined) {
    throw new NbdFault('refused', `the server refuses TLS: ${refusal.reason}`)
  }
  // What comes before TLS could be anybody's.
  haggle.checkSilent()
  await wire.startTls(connectionOptions)
}
