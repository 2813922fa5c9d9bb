import { BlockError } from '../../errors.ts'

/** The port that IANA gave to NBD. */
const DEFAULT_PORT = 10809

/** Bytes in an export's name, as the protocol allows. */
const MAX_NAME_BYTES = 4096

/** RFC 3986, appendix B; the capturing groups are scheme, authority, path, query and fragment. */
const URI = /^([^:/?#]+):(?:\/\/([^/?#]*))?([^?#]*)(?:\?([^#]*))?(#.*)?$/

/** The TLS parameters of a URI. */
export interface NbdUriTls {
  /** Undefined: `psk` if there are keys, else `x509`. */
  readonly type: 'x509' | 'psk' | undefined
  /** The name that the server's certificate must have. */
  readonly hostname: string | undefined
  /** True if the server’s certificate is verified; undefined: it is. */
  readonly verifyPeer: boolean | undefined
  /** A folder with `ca-cert.pem`, and perhaps `client-cert.pem` and `client-key.pem`. */
  readonly certificates: string | undefined
  /** A file with a `name:hexadecimal key` on each line. */
  readonly pskFile: string | undefined
  /** The name whose key it is. */
  readonly username: string | undefined
}

/** The address of an export. */
export interface NbdAddress {
  /** The URI as it was written. */
  readonly uri: string
  /** The address of the server: TCP, or a unix socket. */
  readonly server:
    | {
        /** A name or an IP address. */
        readonly host: string
        /** The TCP port. */
        readonly port: number
      }
    | {
        /** The path of the unix socket. */
        readonly path: string
      }
  /** The export’s name; empty for the server’s default one. */
  readonly exportName: string
  /** Undefined: the connection is not encrypted. */
  readonly tls: NbdUriTls | undefined
}

/** A URI with a password, which ends with the last `@`, and may hold anything; a port is no password. */
const PASSWORD = /^([^:/?#]+:\/\/[^:/?#@[]*):(?!\d*(?:[/?#]|$)).*@/s

/** True if text is a URI of NBD's, good or bad. */
export function isNbdUri(text: string): boolean {
  return /^nbds?(\+[a-z]+)?:/i.test(text)
}

/**
 * Reads an NBD URI: `nbd://host[:port]/export`, `nbds://` with TLS, and `nbd+unix:///export?socket=PATH` and
 * `nbds+unix://` for unix sockets. The export's name is the decoded path without its first `/`.
 * @throws {BlockError} `BLOCK_URI`
 */
export function parseNbdUri(uri: string): NbdAddress {
  const [, scheme = '', authority = '', path = '', query, fragment] = URI.exec(uri) ?? []
  const kind = /^(nbds?)(\+unix)?$/i.exec(scheme)
  if (kind === null) {
    throw bad(uri, 'it has to begin with nbd://, nbds://, nbd+unix:// or nbds+unix://')
  }
  // The device's name is its URI, which is in errors and logs.
  if (PASSWORD.test(uri))
    throw bad(uri, 'it must not have a password: name a file of keys with tls-psk-file')
  if (fragment !== undefined) throw bad(uri, "it has a '#': write it as %23 in a name")
  const secure = kind[1]?.toLowerCase() === 'nbds'
  const parameters = new Parameters(uri, query)
  const { user, rest } = splitUser(uri, authority)
  const server =
    kind[2] === undefined ? parseHost(uri, rest) : socketOf(uri, rest, parameters.take('socket'))
  const tls = secure ? takeTls(uri, parameters, user) : undefined
  if (!secure && user !== undefined) throw bad(uri, 'a user name is for TLS: use nbds')
  parameters.checkEmpty(secure)
  return { uri, server, exportName: exportNameOf(uri, path), tls }
}

class Parameters {
  readonly #uri: string
  readonly #values = new Map<string, string>()

  constructor(uri: string, query = '') {
    this.#uri = uri
    for (const pair of query.split(/[&;]/).filter((text) => text !== '')) {
      const equals = pair.indexOf('=')
      if (equals < 0) throw bad(uri, `the parameter '${pair}' has no value`)
      const key = decode(uri, pair.slice(0, equals))
      if (this.#values.has(key)) throw bad(uri, `the parameter '${key}' occurs twice`)
      this.#values.set(key, decode(uri, pair.slice(equals + 1)))
    }
  }

  /** An empty value counts as absent: for an empty tls-hostname, Node would accept the certificate of `localhost`. */
  take(key: string): string | undefined {
    const value = this.#values.get(key)
    this.#values.delete(key)
    if (value === '') throw bad(this.#uri, `the parameter '${key}' is empty`)
    return value
  }

  checkEmpty(secure: boolean): void {
    for (const key of this.#values.keys()) {
      const reason = !secure && key.startsWith('tls-') ? 'is for TLS: use nbds' : 'is not known'
      throw bad(this.#uri, `the parameter '${key}' ${reason}`)
    }
  }
}

function takeTls(uri: string, parameters: Parameters, user: string | undefined): NbdUriTls {
  const type = parameters.take('tls-type')
  if (type !== undefined && type !== 'x509' && type !== 'psk') {
    const why = type === 'anon' ? ', because anon does not authenticate the server' : ''
    throw bad(uri, `tls-type must be x509 or psk, not '${type}'${why}`)
  }
  return {
    type,
    hostname: parameters.take('tls-hostname'),
    verifyPeer: booleanOf(uri, 'tls-verify-peer', parameters.take('tls-verify-peer')),
    certificates: parameters.take('tls-certificates'),
    pskFile: parameters.take('tls-psk-file'),
    username: parameters.take('tls-username') ?? user,
  }
}

function booleanOf(uri: string, key: string, value: string | undefined): boolean | undefined {
  if (value === undefined) return undefined
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  throw bad(uri, `${key} must be true or false, not '${value}'`)
}

function splitUser(uri: string, authority: string): { user: string | undefined; rest: string } {
  const at = authority.lastIndexOf('@')
  if (at < 0) return { user: undefined, rest: authority }
  const user = authority.slice(0, at)
  if (user === '') throw bad(uri, "there is no name before its '@'")
  return { user: decode(uri, user), rest: authority.slice(at + 1) }
}

function parseHost(uri: string, authority: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d*))?$/.exec(authority) ?? []
  const host = bracketed ?? plain
  if (host === undefined) {
    throw bad(uri, `it has to name a host, as in nbd://host:${DEFAULT_PORT}/export`)
  }
  const port = digits === undefined || digits === '' ? DEFAULT_PORT : Number(digits)
  if (port < 1 || port > 65535) throw bad(uri, `${digits} is not a port`)
  return { host: decode(uri, host).toLowerCase(), port }
}

function socketOf(uri: string, authority: string, path: string | undefined): { path: string } {
  if (authority !== '') {
    throw bad(uri, `a unix socket has no host: put a third '/' before '${authority}'`)
  }
  if (path === undefined) {
    throw bad(uri, 'it has to name the socket, as in nbd+unix:///export?socket=/run/nbd.sock')
  }
  return { path }
}

function exportNameOf(uri: string, path: string): string {
  const name = decode(uri, path.startsWith('/') ? path.slice(1) : path)
  if (Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw bad(uri, `an export's name has at most ${MAX_NAME_BYTES} bytes`)
  }
  return name
}

function decode(uri: string, text: string): string {
  let decoded: string
  try {
    decoded = decodeURIComponent(text)
  } catch {
    throw bad(uri, `'${text}' is not percent-encoded UTF-8`)
  }
  if (decoded.includes('\0')) throw bad(uri, 'it has a NUL')
  return decoded
}

function bad(uri: string, reason: string): BlockError<'BLOCK_URI'> {
  const shown = uri.replace(PASSWORD, '$1:***@')
  return new BlockError('BLOCK_URI', `${shown} is no NBD URI: ${reason}`, { device: shown })
}
