import { getSystemErrorMap } from 'node:util'
import { BlockError } from '../../errors.ts'
import { shown } from '../claim/protocol.ts'
import { type FailedRequest, requestDetails, where } from '../failed-request.ts'
import { systemCode } from '../native/errors.ts'
import { NbdFault } from './transport/fault.ts'

/** Every code of an `NbdBlockDevice`. */
export type NbdBlockErrorCode =
  /** The device was disconnected by its user. */
  | 'BLOCK_DISCONNECTED'
  /** The export takes no writes; nothing was written. */
  | 'BLOCK_READ_ONLY'
  /** The URI is not a valid NBD URI, or has an unknown parameter. */
  | 'BLOCK_URI'
  /** No connection to the export could be made. */
  | 'BLOCK_OPEN'
  /** The server reported an error. */
  | 'BLOCK_IO'
  /** The storage behind the server has shut this client out (ESHUTDOWN). */
  | 'BLOCK_FENCED'
  /** The connection was lost before the reply arrived. */
  | 'BLOCK_LOST'
  /** The reply did not arrive in time. */
  | 'BLOCK_TIMEOUT'
  /** The server violated the protocol. */
  | 'BLOCK_PROTOCOL'
  /** Another process on this machine holds the role. */
  | 'BLOCK_CLAIMED'
  /** The server does not offer that. */
  | 'BLOCK_UNSUPPORTED'

const READS: readonly string[] = ['read', 'seek in']

/** The caller's error for a failed request. */
export function requestError(request: FailedRequest, fault: unknown): BlockError {
  if (fault instanceof BlockError) return fault
  const isRead = READS.includes(request.operation)
  const code = requestCode(fault, isRead)
  const message = `could not ${request.operation} ${where(request)}: ${reasonOf(fault)}; ${outcomeOf(code, isRead)}`
  return new BlockError(code, message, requestDetails(request), fault)
}

/**
 * True if the server rejected an optimisation that plain reads and writes can replace. Not if the storage has shut
 * this client out, or if the outcome is unknown.
 */
export function isRefusedHint(error: unknown): boolean {
  const fault = error instanceof BlockError ? error.cause : error
  return fault instanceof NbdFault && fault.kind === 'refused' && fault.code !== 'ESHUTDOWN'
}

/** The caller's error for a failed connection. */
export function connectError(device: string, fault: unknown): BlockError {
  if (fault instanceof BlockError) return fault
  const message = `could not connect to ${device}: ${reasonOf(fault)}`
  return new BlockError(connectCode(fault), message, { device }, fault)
}

/** `connection refused (ECONNREFUSED)`, or the error's own message. */
export function reasonOf(error: unknown): string {
  if (error instanceof NbdFault) return error.message
  const errno: unknown = error instanceof Error ? Reflect.get(error, 'errno') : undefined
  const known = typeof errno === 'number' ? getSystemErrorMap().get(errno) : undefined
  if (known !== undefined) return `${known[1]} (${known[0]})`
  const text = shown(error instanceof Error ? error.message : String(error))
  if (text !== '') return text
  // Node reports several failed connections with an AggregateError that has no message.
  const [first] = error instanceof AggregateError ? error.errors : []
  return first === undefined ? (systemCode(error) ?? 'an error without a message') : reasonOf(first)
}

function outcomeOf(code: NbdBlockErrorCode, isRead: boolean): string {
  if (isRead) return 'some buffers may have been filled'
  const unknown = 'the content of the device is unknown now'
  return code === 'BLOCK_FENCED'
    ? `the storage shuts this host out, so another host may have taken over, and ${unknown}`
    : `${unknown}: connect again, and read it`
}

function requestCode(fault: unknown, isRead: boolean): NbdBlockErrorCode {
  if (!(fault instanceof NbdFault)) return 'BLOCK_IO'
  switch (fault.kind) {
    case 'refused':
      return fault.code === 'ESHUTDOWN' && !isRead ? 'BLOCK_FENCED' : 'BLOCK_IO'
    case 'lost':
      return 'BLOCK_LOST'
    case 'late':
      return 'BLOCK_TIMEOUT'
    case 'broken':
      return 'BLOCK_PROTOCOL'
    case 'unfit':
      return 'BLOCK_UNSUPPORTED'
  }
}

function connectCode(fault: unknown): NbdBlockErrorCode {
  if (!(fault instanceof NbdFault)) return 'BLOCK_OPEN'
  if (fault.kind === 'broken') return 'BLOCK_PROTOCOL'
  return fault.kind === 'unfit' ? 'BLOCK_UNSUPPORTED' : 'BLOCK_OPEN'
}
