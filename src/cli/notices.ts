import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { JournalEvent } from '../journal/events.ts'
import { safeJson, safeText } from './render.ts'

const CHANNEL = 'shared-block-ring:journal'

/** Tells on standard error what fails and what is given up, until it is disposed of. */
export function tellFailures(json: boolean): Disposable {
  const listener = (message: unknown): void => {
    const event = message as JournalEvent
    const notice = json ? noticeJson(event) : noticeText(event)
    if (notice !== undefined) process.stderr.write(`${notice}\n`)
  }
  subscribe(CHANNEL, listener)
  return { [Symbol.dispose]: () => void unsubscribe(CHANNEL, listener) }
}

function noticeJson(event: JournalEvent): string | undefined {
  if (event.event === 'retry') {
    const { what, position, attempt, error } = event
    const delayMs = Math.round(event.delayMs)
    return safeJson({ event: 'retry', what, position, attempt, delayMs, reason: reasonOf(error) })
  }
  if (event.event === 'deadLetter') {
    const { position, attempts, error } = event
    return safeJson({ event: 'deadLetter', position, attempts, reason: reasonOf(error) })
  }
  return undefined
}

function noticeText(event: JournalEvent): string | undefined {
  if (event.event === 'retry') {
    const { what, position, attempt, error, delayMs } = event
    const failed = what === 'perform' ? 'failed' : 'could not be put into the dead letter ring'
    const next = `next attempt in ${(delayMs / 1000).toFixed(1)} s`
    return notice(position, `${failed} (attempt ${attempt}), ${next}: ${reasonOf(error)}`)
  }
  if (event.event === 'deadLetter') {
    const { position, attempts, error } = event
    const tried = attempts === 0 ? 'untried' : `after attempt ${attempts}`
    return notice(position, `went to the dead letter ring ${tried}: ${reasonOf(error)}`)
  }
  return undefined
}

/** Tells that a command could not be started for an operation. */
export function tellNotStarted(
  json: boolean,
  position: bigint,
  error: Error,
  delayMs: number,
): void {
  const reason = reasonOf(error)
  const text = json
    ? safeJson({ event: 'notStarted', position, delayMs: Math.round(delayMs), reason })
    : notice(position, `waits, next try in ${(delayMs / 1000).toFixed(1)} s: ${reason}`)
  process.stderr.write(`${text}\n`)
}

function notice(position: bigint, what: string): string {
  return safeText(`sbr: the operation that ends at position ${position} ${what}`)
}

/** What an error says. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
