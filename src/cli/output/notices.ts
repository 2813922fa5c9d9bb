import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { WORK_CHANNEL, type WorkEvent } from '../../ring/queue/process/types.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { safeJson, safeText } from '../../text/render.ts'

/** The form of a notice. */
interface NoticeOptions {
  readonly json: boolean
  /** The ring's, for its positions. */
  readonly format: 1 | 2
}

/** The events that are reported. */
type Failure = Extract<WorkEvent, { readonly event: 'retried' | 'deadLettered' }>

/** Reports failures and dead letters on standard error until it is disposed. */
export function tellFailures({ json, format }: NoticeOptions): Disposable {
  const listener = (message: unknown): void => {
    const event = message as WorkEvent
    if (event.event !== 'retried' && event.event !== 'deadLettered') return
    const position = formatPosition(event.position, format)
    const notice = json ? noticeJson(event, position) : noticeText(event, position)
    process.stderr.write(`${notice}\n`)
  }
  subscribe(WORK_CHANNEL, listener)
  return { [Symbol.dispose]: () => void unsubscribe(WORK_CHANNEL, listener) }
}

function noticeJson(event: Failure, position: string): string {
  if (event.event === 'retried') {
    const { what, attempt, error } = event
    const delayMs = Math.round(event.delayMs)
    return safeJson({ event: 'retried', what, position, attempt, delayMs, reason: reasonOf(error) })
  }
  const { attempts, error } = event
  return safeJson({ event: 'deadLettered', position, attempts, reason: reasonOf(error) })
}

function noticeText(event: Failure, position: string): string {
  if (event.event === 'retried') {
    const { what, attempt, error, delayMs } = event
    const failed = what === 'handler' ? 'failed' : 'could not be put into the dead letter ring'
    const pause = delayMs < 1000 ? `${Math.round(delayMs)} ms` : `${(delayMs / 1000).toFixed(1)} s`
    const next = `next attempt in ${pause}`
    return notice(position, `${failed} (attempt ${attempt}), ${next}: ${reasonOf(error)}`)
  }
  const { attempts, error } = event
  const tried = attempts === 0 ? 'untried' : `after attempt ${attempts}`
  return notice(position, `went to the dead letter ring ${tried}: ${reasonOf(error)}`)
}

/** Reports that a command could not be started for an item. */
export function tellNotStarted(
  { json, format }: NoticeOptions,
  at: bigint,
  error: Error,
  delayMs: number,
): void {
  const reason = reasonOf(error)
  const position = formatPosition(at, format)
  const text = json
    ? safeJson({ event: 'notStarted', position, delayMs: Math.round(delayMs), reason })
    : notice(position, `waits, next try in ${(delayMs / 1000).toFixed(1)} s: ${reason}`)
  process.stderr.write(`${text}\n`)
}

function notice(position: string, what: string): string {
  return safeText(`sbr: the item that ends at position ${position} ${what}`)
}

/** An error's text. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
