import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { systemClock } from '../../clock.ts'
import {
  type Job,
  type ProcessOptions,
  WORK_CHANNEL,
  type WorkEvent,
} from '../../ring/queue/process/types.ts'
import { isWorkError } from '../../ring/queue/process/work-error.ts'
import type { RingReader } from '../../ring/queue/reader.ts'
import { formatPosition } from '../../ring/shared/position-text.ts'
import { backoffAfter } from '../../tasks/backoff.ts'
import { headJson } from '../../text/envelope-head.ts'
import { safeJson } from '../../text/render.ts'
import { CommandError, withNote } from '../errors.ts'
import { reasonOf } from '../output/notices.ts'
import { Stopped } from '../signals.ts'
import { type ChildCommand, NotStarted, runChild } from './child-command.ts'
import type { Delivery } from './delivery.ts'

/** Options of running a command for items. */
export interface PerformOptions extends ChildCommand {
  /** End once no item is left. */
  readonly drain: boolean
  readonly firstPauseMs: number
  readonly process: Pick<
    ProcessOptions<Delivery>,
    'concurrency' | 'attempts' | 'deadLetter' | 'keyOf'
  >
  readonly signal: AbortSignal
  /** Called before the command is started for an item. */
  readonly onStart: () => void
  /** Called when the command could not be started for an item, before the pause. */
  readonly onNotStarted: (position: bigint, error: NotStarted, delayMs: number) => void
}

/** The longest pause after failures. */
const MAX_PAUSE_MS = 300_000

/**
 * Runs a command for each item of a ring, and for those that arrive.
 * @returns how many items are done, when none is left (with `drain`) or when it was stopped (without)
 * @throws the error that ended it earlier, with the number of items
 */
export async function perform(
  reader: RingReader<Delivery>,
  options: PerformOptions,
): Promise<number> {
  const noCommand = new AbortController()
  const signal = AbortSignal.any([options.signal, noCommand.signal])
  const maxMs = Math.max(MAX_PAUSE_MS, options.firstPauseMs)
  const backoff = { firstMs: options.firstPauseMs, maxMs }
  const run = async (delivery: Delivery, job: Job): Promise<void> => {
    options.onStart()
    const env = {
      SBR_POSITION: formatPosition(job.position, reader.consumer.format),
      SBR_ATTEMPT: String(job.attempt),
      SBR_MAY_HAVE_RUN: job.mayHaveRun ? '1' : '0',
    }
    const { head } = delivery
    const all = head === undefined ? env : { ...env, SBR_ENVELOPE: safeJson(headJson(head)) }
    try {
      await whenStarted(
        () => runChild(options, delivery, all, signal),
        async (error, times) => {
          const delayMs = backoffAfter(times, { ...backoff, random: Math.random })
          options.onNotStarted(job.position, error, delayMs)
          await systemClock.sleep(delayMs, signal)
        },
      )
    } catch (error) {
      // No attempt can help, and the item is not at fault.
      if (error instanceof CommandError) noCommand.abort(error)
      throw error
    }
  }
  // The command itself gets its grace period, and is gone after that.
  const how = { ...options.process, backoff, untilEmpty: options.drain, signal }
  using done = countDone()
  try {
    await reader.process(run, { ...how, graceMs: Number.POSITIVE_INFINITY })
    signal.throwIfAborted()
    return done.items
  } catch (error) {
    const { items } = done
    if (error instanceof Stopped && !options.drain) return items
    throw withNote(explained(error), `Items done: ${items}`, { done: items })
  }
}

/** Counts finished items, until it is disposed. */
function countDone(): Disposable & { readonly items: number } {
  let items = 0
  const count = (message: unknown): void => {
    const event = message as WorkEvent
    if (event.event === 'handled') items += event.entries.length
    else if (event.event === 'deadLettered') items++
  }
  subscribe(WORK_CHANNEL, count)
  return {
    get items() {
      return items
    },
    [Symbol.dispose]: () => void unsubscribe(WORK_CHANNEL, count),
  }
}

/** The error that ended the work has its message in its cause. */
function explained(error: unknown): unknown {
  if (!isWorkError(error)) return error
  const reason = reasonOf(error.cause)
  return withNote(error, `The cause: ${reason}`, { reason })
}

/** Tries again, after a pause, to start a command: so far no attempt at the item was made. */
async function whenStarted(
  run: () => Promise<void>,
  pause: (error: NotStarted, times: number) => Promise<void>,
): Promise<void> {
  for (let times = 1; ; times++) {
    try {
      return await run()
    } catch (error) {
      if (!(error instanceof NotStarted)) throw error
      await pause(error, times)
    }
  }
}
