import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'
import { hostname } from 'node:os'

/** Length of a generated token: too long to guess. */
const TOKEN_BYTES = 24
/** The form of a token, so that it fits an address and a cookie unchanged. */
export const TOKEN: RegExp = /^[A-Za-z0-9._~-]{16,256}$/
const COOKIE = 'sbr_token'

export function newToken(): string {
  return randomBytes(TOKEN_BYTES).toString('base64url')
}

/** True if an address is this machine's own. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}

/** The cookie that a browser keeps, once it has shown the token. */
export function cookieOf(token: string): string {
  return `${COOKIE}=${token}; HttpOnly; SameSite=Strict; Path=/`
}

/**
 * True if a request names this server by an address, or by a name that only this machine controls. A foreign page whose
 * name was pointed here (DNS rebinding) uses its own name.
 */
export function isKnownHost({ headers }: IncomingMessage, listening: string): boolean {
  const { host } = headers
  if (host === undefined) return false
  const [, name = ''] = /^(\[[0-9a-f:.]+\]|[^:]+)(?::\d+)?$/i.exec(host) ?? []
  const bare = name.replace(/^\[|\]$/g, '').toLowerCase()
  return (
    isIP(bare) !== 0 ||
    [listening, hostname(), 'localhost'].some((one) => one.toLowerCase() === bare)
  )
}

/** True if a request shows the token: in `Authorization: Bearer`, in the cookie, or in the address. */
export function isAllowed(request: IncomingMessage, url: URL, token: string | undefined): boolean {
  if (token === undefined) return true
  const { authorization = '', cookie = '' } = request.headers
  const [, bearer] = /^Bearer (\S+)$/i.exec(authorization) ?? []
  const kept = cookie
    .split(/; */)
    .find((pair) => pair.startsWith(`${COOKIE}=`))
    ?.slice(COOKIE.length + 1)
  const shown = [bearer, kept, url.searchParams.get('token')]
  return shown.map((one) => isSame(one ?? '', token)).includes(true)
}

/** Compares in constant time. */
function isSame(one: string, other: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(one), digest(other))
}
