import { replaceUnsafe } from '../../util/unsafe-text.ts'
import { MAX_REQUEST_BYTES } from '../validate.ts'
import { isNonce, isProof, proofOf } from './proof.ts'

/**
 * The conversation of a role's holder and an asker: three lines, each a JSON object.
 *
 *     holder   { challenge }                                      fresh for each connection
 *     asker    { nonce, request?, proof }                         over both nonces and the request
 *     holder   { holder, pid, host, since, answer?, proof }       over both nonces, the request and the answer
 *
 * The asker first proves that it can read the device: a stranger learns nothing, and is not served. Any process on the
 * machine may be on either side, so each line, and the time for all of them, is bounded. A holder sends only these
 * lines, and hangs up on anything unexpected.
 */

/** Bytes in a line. */
export const MAX_LINE_BYTES = 8192

/** The largest answer in bytes, as JSON. */
export const MAX_ANSWER_BYTES = 4096

/** Characters of a holder's own words. */
const MAX_SHOWN = 200

/** A holder's description of itself. */
export interface Greeting {
  readonly holder: string
  readonly pid: number
  readonly host: string
  /** ISO 8601. */
  readonly since: string
}

/** The asker's line. */
export interface Question {
  readonly nonce: string
  /** Undefined: only identify the holder. */
  readonly request: string | undefined
}

/** The holder's second line. */
export interface Reply {
  readonly greeting: Greeting
  /** Undefined: there was no request, or no answer. */
  readonly answer: string | undefined
}

/** The facts that bind a conversation to its role and to itself. */
export interface Binding {
  /** Of the device and role. */
  readonly name: string
  readonly challenge: string
}

/** Text of another process, fit for a message: printable, and at most 200 characters. */
export function shown(text: string): string {
  return replaceUnsafe(text, () => ' ')
    .trim()
    .slice(0, MAX_SHOWN)
}

/** The holder's first line. */
export function challengeLine(challenge: string): string {
  return `${JSON.stringify({ challenge })}\n`
}

/** The nonce in a holder's first line; undefined if the line is invalid. */
export function parseChallenge(line: string): string | undefined {
  const { challenge } = parseObject(line)
  return isNonce(challenge) ? challenge : undefined
}

/** The asker's line. */
export function questionLine(
  key: Uint8Array | undefined,
  binding: Binding,
  { nonce, request }: Question,
): string {
  const proof = questionProof(key, binding, { nonce, request })
  return `${JSON.stringify({ nonce, request, proof })}\n`
}

/** The question in an asker's line; undefined if the line is invalid. */
export function parseQuestion(line: string): (Question & { readonly proof: unknown }) | undefined {
  const { nonce, request, proof } = parseObject(line)
  if (!isNonce(nonce)) return undefined
  if (request === undefined) return { nonce, request, proof }
  if (typeof request !== 'string') return undefined
  return Buffer.byteLength(request) > MAX_REQUEST_BYTES ? undefined : { nonce, request, proof }
}

/** True if the asker has read the key. */
export function isProven(
  key: Uint8Array | undefined,
  binding: Binding,
  question: Question & { readonly proof: unknown },
): boolean {
  return isProof(question.proof, questionProof(key, binding, question))
}

/** The holder's second line. */
export function replyLine(
  key: Uint8Array | undefined,
  binding: Binding,
  question: Question,
  { greeting, answer }: Reply,
): string {
  const proof = replyProof(key, binding, question, { greeting, answer })
  return `${JSON.stringify({ ...greeting, answer, proof })}\n`
}

/** The reply in a holder's second line; undefined if it is malformed, or its sender has not read the key. */
export function parseReply(
  key: Uint8Array | undefined,
  binding: Binding,
  question: Question,
  line: string,
): Reply | undefined {
  const { holder, pid, host, since, answer, proof } = parseObject(line)
  if (typeof holder !== 'string' || typeof host !== 'string' || typeof since !== 'string') {
    return undefined
  }
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 0) return undefined
  if (answer !== undefined && typeof answer !== 'string') return undefined
  const statement = { greeting: { holder, pid, host, since }, answer }
  if (!isProof(proof, replyProof(key, binding, question, statement))) return undefined
  const greeting = { holder: shown(holder), pid, host: shown(host), since: shown(since) }
  return { greeting, answer }
}

function questionProof(
  key: Uint8Array | undefined,
  { name, challenge }: Binding,
  { nonce, request }: Question,
): string {
  return proofOf(key, 'asker', [name, challenge, nonce], [request ?? null])
}

function replyProof(
  key: Uint8Array | undefined,
  { name, challenge }: Binding,
  { nonce, request }: Question,
  { greeting, answer }: Reply,
): string {
  const { holder, pid, host, since } = greeting
  const statement = [request ?? null, holder, pid, host, since, answer ?? null]
  return proofOf(key, 'holder', [name, challenge, nonce], statement)
}

function parseObject(line: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? { ...value } : {}
  } catch {
    return {}
  }
}

/** Cuts what arrives into lines, of which none is kept beyond its bound. */
export class LineReader {
  readonly #lines: string[] = []
  #pending: Buffer = Buffer.alloc(0)
  #tooLong = false

  /** True if a line exceeded the limit: nothing more is accepted after it. */
  get tooLong(): boolean {
    return this.#tooLong
  }

  add(chunk: Buffer): void {
    if (this.#tooLong) return
    this.#pending = Buffer.concat([this.#pending, chunk])
    for (let end = this.#pending.indexOf(10); end >= 0; end = this.#pending.indexOf(10)) {
      const line = this.#pending.subarray(0, end)
      if (line.length > MAX_LINE_BYTES) break
      this.#lines.push(line.toString('utf8'))
      this.#pending = this.#pending.subarray(end + 1)
    }
    this.#tooLong = this.#pending.length > MAX_LINE_BYTES
    if (this.#tooLong) this.#pending = Buffer.alloc(0)
  }

  /** The next complete line, if there is one. */
  take(): string | undefined {
    return this.#lines.shift()
  }
}
