import { systemClock } from '../../clock.ts'
import { isJournalError } from '../../journal/errors.ts'
import { Performer } from '../../journal/performer.ts'
import { Receipts } from '../../journal/receipts.ts'
import { retryDelay, settingsOf } from '../../journal/settings.ts'
import type { JournalOptions } from '../../journal/types.ts'
import type { Position } from '../../position.ts'
import { inspectRing } from '../../ring/attach.ts'
import { formatPosition } from '../../ring/position-text.ts'
import { Waiter } from '../../ring/queue/poll.ts'
import type { Consumer } from '../../ring/types.ts'
import { CommandError, withNote } from '../errors.ts'
import { headJson } from '../output/envelope.ts'
import { reasonOf } from '../output/notices.ts'
import { safeJson } from '../output/render.ts'
import { Stopped } from '../signals.ts'
import { type ChildCommand, NotStarted, runChild } from './child-command.ts'
import type { Delivery } from './delivery.ts'

/** How a command performs operations. */
export interface PerformingOptions extends ChildCommand {
  /** End once no operation is pending. */
  readonly drain: boolean
  readonly journal: Pick<
    JournalOptions<Delivery, never>,
    'name' | 'client' | 'codec' | 'retryIntervalMs' | 'maxAttempts' | 'onFailure'
  >
  readonly signal: AbortSignal
  /** Told when the command could not be started for an operation, before the pause after that. */
  readonly onNotStarted: (position: Position, error: NotStarted, delayMs: number) => void
}

/**
 * Performs a journal's operations, and those that arrive, with a command, one after another. It is only the
 * performing half of a journal: a `Journal` would also take the producer's role, and then no other program could
 * push.
 * @returns how many operations are done, when none is left (with `drain`) or when it was stopped (without)
 * @throws the error that ended it earlier, with the number of operations
 */
export async function perform(consumer: Consumer, options: PerformingOptions): Promise<number> {
  const done = { operations: 0 }
  try {
    await performNext(consumer, options, done)
    return done.operations
  } catch (error) {
    const { operations } = done
    if (error instanceof Stopped && !options.drain) return operations
    throw withNote(explained(error), `Operations done: ${operations}`, { done: operations })
  }
}

/** The message of a journal's error is in its cause. */
function explained(error: unknown): unknown {
  if (!isJournalError(error)) return error
  const reason = reasonOf(error.cause)
  return withNote(error, `The cause: ${reason}`, { reason })
}

async function performNext(
  consumer: Consumer,
  options: PerformingOptions,
  done: { operations: number },
): Promise<void> {
  const noCommand = new AbortController()
  const signal = AbortSignal.any([options.signal, noCommand.signal])
  const waiter = new Waiter(consumer.device, systemClock)
  const settings = settingsOf({ ...options.journal, maxBatchItems: 1 })
  let position: Position = consumer.position
  const performer = new Performer<Delivery>({
    consumer,
    settings,
    receipts: new Receipts(consumer.position),
    onFreed: () => undefined,
    stop: signal,
    perform: async (deliveries, { attempt, mayHaveRun }) => {
      const env = {
        SBR_POSITION: formatPosition(position, consumer.format),
        SBR_ATTEMPT: String(attempt),
        SBR_MAY_HAVE_RUN: mayHaveRun ? '1' : '0',
      }
      try {
        for (const delivery of deliveries) {
          const { head } = delivery
          const all = head === undefined ? env : { ...env, SBR_ENVELOPE: safeJson(headJson(head)) }
          await whenStarted(
            () => runChild(options, delivery, all, signal),
            async (error, times) => {
              const delayMs = retryDelay(times, settings)
              options.onNotStarted(position, error, delayMs)
              await systemClock.sleep(delayMs, signal)
            },
          )
        }
      } catch (error) {
        // Nothing can help, and it is not the operation that is at fault.
        if (error instanceof CommandError) noCommand.abort(error)
        throw error
      }
    },
  })
  try {
    // Read after the role was taken: no earlier performer can have performed a later operation.
    const foundUpTo = (await inspectRing(consumer.device, { signal })).producer.offset
    for (;;) {
      signal.throwIfAborted()
      const [next] = await consumer.popMany({ maxItems: 1, signal })
      if (next !== undefined) {
        position = next.position
        await performer.drain(position, position <= foundUpTo)
        done.operations++
        waiter.reset()
      } else if (options.drain) {
        return
      } else {
        await waiter.pause(signal)
      }
    }
  } finally {
    waiter.close()
  }
}

/** What was not started is tried again, after a pause: no attempt at the operation was made. */
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
