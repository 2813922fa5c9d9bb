import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Certificates for one test file, under the names that servers and clients of NBD look for. */
export interface Certificates extends Disposable {
  readonly folder: string
}

/** Why no certificates can be made on this machine, or undefined if they can. */
export function certificatesProblem(): string | undefined {
  const { error } = spawnSync('openssl', ['version'])
  return error === undefined ? undefined : 'openssl is not there (Debian package openssl)'
}

/** Makes an authority, and certificates of a server `localhost` (127.0.0.1) and of a client. */
export function makeCertificates(): Certificates {
  const folder = mkdtempSync(join(tmpdir(), 'sbr-tls-'))
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const key = ['-newkey', 'rsa:2048', '-nodes']
  openssl(
    ...['req', '-x509', ...key, '-days', '2', '-subj', '/CN=authority'],
    ...['-keyout', 'ca-key.pem', '-out', 'ca-cert.pem'],
    ...['-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
  )
  for (const side of ['server', 'client']) {
    const use = [
      'subjectAltName=DNS:localhost,IP:127.0.0.1',
      'keyUsage=critical,digitalSignature,keyEncipherment',
      `extendedKeyUsage=${side}Auth`,
      'basicConstraints=critical,CA:FALSE',
    ]
    writeFileSync(join(folder, `${side}.ext`), `${use.join('\n')}\n`)
    openssl(
      ...['req', ...key, '-subj', `/CN=${side}`],
      ...['-keyout', `${side}-key.pem`, '-out', `${side}.csr`],
    )
    openssl(
      ...['x509', '-req', '-days', '2', '-in', `${side}.csr`, '-extfile', `${side}.ext`],
      ...['-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial'],
      ...['-out', `${side}-cert.pem`],
    )
  }
  return {
    folder,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
