import { BlockError, kindOf, RingError, type RingErrorCode } from '../errors.ts'
import type { Position } from '../position.ts'
import { errorText } from '../util/error-text.ts'

/**
 * The messages between a page and the worker that serves it a ring. Both sides validate every message: any script of
 * the page and, if tabs share a ring, any script of the origin can post them.
 *
 * ```
 * page                                   worker
 *   hello, with a port  ------------------>      on the worker's own port; all others on the new one
 *                       <------------------ welcome
 *   { id, call, … }     ------------------>
 *   { id, call: 'stop' } ----------------->      the caller's signal was aborted
 *                       <------------------ { id, value }, { id, error } or { id, stopped }: one for each call
 *                       <------------------ { gone }: no further call gets an answer
 * ```
 */
export const VERSION = 1

/** The field that distinguishes a hello from the program's own messages. */
const HELLO = 'shared-block-ring'

/** The most items without an answer on a connection. */
export const MAX_PENDING = 65_536

/** The most calls without an answer on a connection: one for each of those items, and as many others. */
export const MAX_CALLS: number = 2 * MAX_PENDING

/** The part of a `MessagePort` that is used here. */
export interface RingPort {
  /** Called with each message. */
  onmessage: ((event: { readonly data: unknown }) => void) | null
  /** Posts to the other side. */
  postMessage(message: unknown, transfer: readonly object[]): void
  /** Subscribes to the end of the other side, if the runtime reports it, and to messages that do not arrive whole. */
  addEventListener?(type: 'close' | 'messageerror', listener: () => void): void
  /** Ends it. */
  close(): void
}

/** A call with the number that its answer will have; or the request to stop one. */
export type Request =
  | { readonly id: number; readonly call: 'push'; readonly items: readonly Uint8Array[] }
  | {
      readonly id: number
      readonly call: 'receive'
      readonly maxItems: number
      readonly maxBytes: number
    }
  | { readonly id: number; readonly call: 'ack'; readonly entry: number }
  | { readonly id: number; readonly call: 'seek'; readonly position: Position }
  | { readonly id: number; readonly call: 'open' | 'stats' | 'close' | 'stop' }

/** An entry sent to a page. */
export interface EntryMessage {
  /** The number by which it is acknowledged on this connection. */
  readonly entry: number
  readonly bytes: Uint8Array
  readonly position: Position
  readonly pushedAt: number | undefined
  readonly missed: number
}

/** The answer to `receive`. */
export interface Received {
  readonly format: 1 | 2
  readonly entries: readonly EntryMessage[]
}

/** The state of a ring. */
export interface RingConnectionStatus {
  /** The ring's format. */
  readonly format: 1 | 2
  /** Bytes of the data area. */
  readonly capacityBytes: number
  /** Bytes of the data area that are in use. */
  readonly usedBytes: number
  /** Unacknowledged items; absent in format 1. */
  readonly waitingItems?: number
  /** Their bytes; absent in format 1. */
  readonly waitingBytes?: number
}

/** An error sent to a page. */
export interface ErrorMessage {
  readonly kind: 'ring' | 'block' | 'TypeError' | 'RangeError' | 'Error'
  readonly code: string
  readonly message: string
  readonly details: object
  readonly cause?: ErrorMessage
}

/** A message from a worker. */
export type WorkerMessage =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly error: ErrorMessage }
  | { readonly id: number; readonly stopped: true }
  /** It listens, and holds a lock while it does. Sent twice if another tab's worker has the ring. */
  | { readonly welcome: number; readonly lock: string | undefined }
  /** No further call gets an answer. */
  | { readonly gone: ErrorMessage }

/** Requests a connection from a worker. */
export interface Hello {
  readonly version: number
  readonly port: RingPort
  /** Held while the page lives. */
  readonly lock: string | undefined
}

/** A hello in the form in which it is posted. */
export function helloMessage({ version, port, lock }: Hello): object {
  return { [HELLO]: version, port, lock }
}

/** Parses a hello; undefined for other messages, such as the program's own. */
export function helloOf(data: unknown): Hello | undefined {
  const { [HELLO]: version, port, lock } = fieldsOf(data)
  if (!isCount(version) || !isPort(port)) return undefined
  if (lock !== undefined && !isName(lock)) return undefined
  return { version, port, lock }
}

/** Parses a request; undefined if it is invalid. */
export function requestOf(data: unknown): Request | undefined {
  const { id, call, items, maxItems, maxBytes, entry, position: at } = fieldsOf(data)
  if (!isCount(id)) return undefined
  switch (call) {
    case 'push':
      return isItems(items) ? { id, call, items } : undefined
    case 'receive': {
      const isBounded = isCount(maxItems) && isCount(maxBytes) && maxItems > 0 && maxBytes > 0
      return isBounded ? { id, call, maxItems, maxBytes } : undefined
    }
    case 'ack':
      return isCount(entry) ? { id, call, entry } : undefined
    case 'seek': {
      const position = positionOf(at)
      return position === undefined ? undefined : { id, call, position }
    }
    case 'open':
    case 'stats':
    case 'close':
    case 'stop':
      return { id, call }
    default:
      return undefined
  }
}

/** Parses a worker's message; undefined if it is invalid. */
export function workerMessageOf(data: unknown): WorkerMessage | undefined {
  const fields = fieldsOf(data)
  const { id, value, error, stopped, welcome, lock, gone } = fields
  if (isCount(welcome) && (lock === undefined || isName(lock))) return { welcome, lock }
  if (gone !== undefined) {
    const reason = errorMessageOf(gone)
    return reason && { gone: reason }
  }
  if (!isCount(id)) return undefined
  if (stopped === true) return { id, stopped }
  if (error === undefined) return 'value' in fields ? { id, value } : undefined
  const reason = errorMessageOf(error)
  return reason && { id, error: reason }
}

/** Parses a position; undefined if it is invalid. */
export function positionOf(value: unknown): Position | undefined {
  return typeof value === 'bigint' && value >= 0n ? (value as Position) : undefined
}

/** Parses the answer to `receive`; undefined if it is invalid. */
export function receivedOf(value: unknown): Received | undefined {
  const { format, entries } = fieldsOf(value)
  if (!isFormat(format) || !Array.isArray(entries) || entries.length === 0) return undefined
  const valid = entries.map(entryOf)
  return valid.every((entry) => entry !== undefined) ? { format, entries: valid } : undefined
}

/** Parses the answer to `stats`; undefined if it is invalid. */
export function statsOf(value: unknown): RingConnectionStatus | undefined {
  const { format, capacityBytes, usedBytes, waitingItems, waitingBytes } = fieldsOf(value)
  if (!isFormat(format) || !isCount(capacityBytes) || !isCount(usedBytes)) return undefined
  const counts = isCount(waitingItems) && isCount(waitingBytes)
  return { format, capacityBytes, usedBytes, ...(counts && { waitingItems, waitingBytes }) }
}

/** An error in a form that can be posted, with the plain values of its details. */
export function errorMessage(error: unknown, depth = 0): ErrorMessage {
  const kind = kindOf(error)
  const { code, details, cause } = fieldsOf(error)
  const own = kind === 'ring' || kind === 'block'
  const known = [TypeError, RangeError].find((type) => error instanceof type)
  return {
    kind: own
      ? kind
      : known === TypeError
        ? 'TypeError'
        : known === undefined
          ? 'Error'
          : 'RangeError',
    code: own ? String(code) : '',
    message: errorText(error),
    details: plain(details),
    ...(cause !== undefined && depth < 3 && { cause: errorMessage(cause, depth + 1) }),
  }
}

/** The error that was posted, with its type. */
export function errorOf({ kind, code, message, details, cause: of }: ErrorMessage): Error {
  const cause = of === undefined ? undefined : errorOf(of)
  const options = cause === undefined ? undefined : { cause }
  if (kind === 'ring') return new RingError(code as RingErrorCode, message, details, cause)
  if (kind === 'block') {
    const { device } = fieldsOf(details)
    const where = { ...details, device: typeof device === 'string' ? device : '' }
    return new BlockError(code, message, where, cause)
  }
  if (kind === 'TypeError') return new TypeError(message, options)
  return kind === 'RangeError' ? new RangeError(message, options) : new Error(message, options)
}

/** The worker has ended, or does not serve rings. */
export function workerLost(reason: string, found?: string): RingError {
  const why = found === undefined ? reason : `${reason}: ${found}`
  const message = `${why}; connect again. A push without an answer may be in the ring`
  const details = found === undefined ? {} : { expected: 'an answer of the worker', found }
  return new RingError('RING_WORKER_LOST', message, details)
}

const KINDS = ['ring', 'block', 'TypeError', 'RangeError', 'Error'] as const

function errorMessageOf(value: unknown, depth = 0): ErrorMessage | undefined {
  const { kind: found, code, message, details, cause } = fieldsOf(value)
  const kind = KINDS.find((each) => each === found)
  if (kind === undefined || typeof code !== 'string' || typeof message !== 'string')
    return undefined
  if ((kind === 'ring' || kind === 'block') && !/^[A-Z][A-Z_]{2,63}$/.test(code)) return undefined
  const why = depth < 3 && cause !== undefined ? errorMessageOf(cause, depth + 1) : undefined
  return { kind, code, message, details: plain(details), ...(why && { cause: why }) }
}

function entryOf(value: unknown): EntryMessage | undefined {
  const { entry, bytes, position: at, pushedAt, missed } = fieldsOf(value)
  const position = positionOf(at)
  if (!isCount(entry) || !(bytes instanceof Uint8Array) || position === undefined) return undefined
  if (pushedAt !== undefined && typeof pushedAt !== 'number') return undefined
  return isCount(missed) ? { entry, bytes, position, pushedAt, missed } : undefined
}

/** The fields with plain values, or objects of plain values. */
function plain(value: unknown, isInner = false): object {
  const entries = Object.entries(fieldsOf(value)).flatMap(([name, field]) => {
    if (['string', 'number', 'bigint', 'boolean'].includes(typeof field)) return [[name, field]]
    return isInner || typeof field !== 'object' ? [] : [[name, plain(field, true)]]
  })
  return Object.fromEntries(entries)
}

/** The fields of an object; none of anything else. */
export function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}

/** True for a number of a call, or a count. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** True for the name of a lock or a page. */
export function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length <= 200
}

function isFormat(value: unknown): value is 1 | 2 {
  return value === 1 || value === 2
}

function isItems(value: unknown): value is readonly Uint8Array[] {
  return (
    Array.isArray(value) &&
    value.length <= MAX_PENDING &&
    value.every((item) => item instanceof Uint8Array)
  )
}

function isPort(value: unknown): value is RingPort {
  const { postMessage, close } = fieldsOf(value)
  return typeof postMessage === 'function' && typeof close === 'function'
}
