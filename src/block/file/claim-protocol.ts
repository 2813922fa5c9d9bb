import type { Socket } from 'node:net'

/**
 * What a role's holder and those who ask it say to each other: lines. The holder begins with a greeting, one
 * JSON object; the other may send one request, as it is; the holder answers with one JSON object. Anybody on
 * the machine may sit on either side, so each line, and the time for all of them, is bounded.
 */

/** Bytes in a line from the holder. */
export const MAX_REPLY_BYTES = 4096

/** Characters of a holder's own words. */
const MAX_SHOWN = 200

/** Who holds a role, as it says itself. */
export interface Greeting {
  readonly holder: string
  readonly pid: number
  readonly host: string
  /** ISO 8601. */
  readonly since: string
}

/** Text of another process, fit for a message: no control characters, no more than 200 characters. */
export function shown(text: string): string {
  return text
    .replaceAll(/\p{C}+/gu, ' ')
    .trim()
    .slice(0, MAX_SHOWN)
}

/** The greeting in a line, or undefined if it is none. */
export function parseGreeting(line: string | undefined): Greeting | undefined {
  const { holder, pid, host, since } = parseObject(line)
  if (typeof holder !== 'string' || typeof host !== 'string' || typeof since !== 'string') {
    return undefined
  }
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 0) return undefined
  return { holder: shown(holder), pid, host: shown(host), since: shown(since) }
}

/** The answer in a line, or undefined if it is none. */
export function parseAnswer(line: string | undefined): string | undefined {
  const { answer } = parseObject(line)
  return typeof answer === 'string' ? answer : undefined
}

function parseObject(line: string | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line ?? '')
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Calls back with each line of a socket; ends the socket when a line is longer than allowed. */
export function onLines(socket: Socket, maxBytes: number, onLine: (line: string) => void): void {
  let pending = Buffer.alloc(0)
  socket.on('data', (chunk: Buffer) => {
    pending = Buffer.concat([pending, chunk])
    for (let end = pending.indexOf(10); end >= 0 && !socket.destroyed; end = pending.indexOf(10)) {
      const line = pending.subarray(0, end)
      pending = pending.subarray(end + 1)
      if (line.length > maxBytes) socket.destroy()
      else onLine(line.toString('utf8'))
    }
    if (pending.length > maxBytes) socket.destroy()
  })
}
