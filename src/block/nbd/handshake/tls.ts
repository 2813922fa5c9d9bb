import { readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import type { ConnectionOptions } from 'node:tls'
import { reasonOf } from '../errors.ts'
import type { NbdTlsOptions } from '../tls-options.ts'
import { NbdFault } from '../transport/fault.ts'
import type { NbdAddress, NbdUriTls } from '../uri.ts'

/** OpenSSL's cipher list for pre-shared keys; TLS 1.3 has other names. */
const PSK_CIPHERS =
  'DHE-PSK-AES256-GCM-SHA384:DHE-PSK-CHACHA20-POLY1305:ECDHE-PSK-CHACHA20-POLY1305:PSK-AES256-GCM-SHA384'

/**
 * Node's TLS options for the server of an address: options take precedence over the URI.
 * @throws {NbdFault} a file cannot be read, or has unexpected content
 */
export async function tlsOptions(
  address: NbdAddress & { readonly tls: NbdUriTls },
  given: NbdTlsOptions = {},
): Promise<ConnectionOptions> {
  const { tls, server } = address
  const hostname = given.hostname ?? tls.hostname ?? ('host' in server ? server.host : 'localhost')
  const options: ConnectionOptions = {
    minVersion: 'TLSv1.2',
    rejectUnauthorized: given.verifyPeer ?? tls.verifyPeer ?? true,
    // The name for the certificate; an address must not be in the message that names the server.
    ...(isIP(hostname) === 0 ? { servername: hostname } : { host: hostname }),
  }
  const psk = given.psk ?? (tls.type === 'x509' ? undefined : await pskOf(tls))
  if (psk !== undefined) return { ...options, ...withPsk(psk.username, psk.key) }
  if (tls.type === 'psk') {
    throw new NbdFault('lost', 'tls-type=psk needs a key: give tls-psk-file, or the option psk')
  }
  return { ...options, ...(await certificatesOf(tls, given)) }
}

function withPsk(username: string, key: Uint8Array): ConnectionOptions {
  return {
    ciphers: PSK_CIPHERS,
    maxVersion: 'TLSv1.2',
    pskCallback: () => ({ identity: username, psk: key }),
    // Knowing the key identifies the server; there is no certificate.
    checkServerIdentity: () => undefined,
  }
}

async function pskOf(tls: NbdUriTls): Promise<{ username: string; key: Uint8Array } | undefined> {
  if (tls.pskFile === undefined) return undefined
  const username = tls.username ?? userInfo().username
  const lines = (await read(tls.pskFile)).toString('utf8').split(/\r?\n/)
  const key = lines.find((line) => line.startsWith(`${username}:`))?.slice(username.length + 1)
  if (key === undefined || !/^([0-9a-f]{2})+$/i.test(key)) {
    throw new NbdFault('lost', `${tls.pskFile} has no hexadecimal key of '${username}'`)
  }
  return { username, key: Buffer.from(key, 'hex') }
}

type Certificates = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>

async function certificatesOf(tls: NbdUriTls, given: NbdTlsOptions): Promise<Certificates> {
  const inFolder = await filesOf(tls.certificates)
  const ca = given.ca ?? inFolder.ca
  const cert = given.cert ?? inFolder.cert
  const key = given.key ?? inFolder.key
  return {
    ...(ca !== undefined && { ca: Buffer.from(ca) }),
    ...(cert !== undefined && { cert: Buffer.from(cert) }),
    ...(key !== undefined && { key: Buffer.from(key) }),
  }
}

/** Reads a folder of certificates, with the file names that other NBD clients and servers use. */
async function filesOf(folder: string | undefined): Promise<NbdTlsOptions> {
  if (folder === undefined) return {}
  const ca = await read(join(folder, 'ca-cert.pem'))
  const cert = await readIfThere(join(folder, 'client-cert.pem'))
  if (cert === undefined) return { ca }
  return { ca, cert, key: await read(join(folder, 'client-key.pem')) }
}

async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, 'code') === 'ENOENT') return undefined
    throw cannotRead(path, error)
  }
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw cannotRead(path, error)
  }
}

function cannotRead(path: string, error: unknown): NbdFault {
  return new NbdFault('lost', `${path}: ${reasonOf(error)}`, undefined, error)
}
