import { Flusher } from '../../file/io/flusher.ts'
import type { Permit } from '../../permit.ts'
import { NbdFault } from './fault.ts'

/** Connections that changes and flushes are sent over. */
export interface Flushable {
  /** True if a change succeeded that no later flush covers. */
  readonly unflushed: boolean
  /** Sends a flush over each connection with unflushed changes, or over any if there are none. */
  flush(permit: Permit): Promise<unknown>
}

/**
 * Decides whether a flush covers earlier changes.
 *
 * - A change (a write, zeroes or a discard without FUA) is unflushed from its reply until the reply to a flush that
 *   was sent after it over the same connection: another connection may lead to another server by now.
 * - Changes are counted per request, when the reply arrives: a call may be many requests, and a connection may be
 *   lost between two of them.
 * - A lost server may have lost its cache. Its connections end together, but this client learns of one after the
 *   other; so with the first one, the outcome of every unflushed change, over any connection, is unknown. Nothing can
 *   repair that: each later flush fails.
 * - A flush without a reply is not sent again, even if nothing here was unflushed: it also covers data that others
 *   wrote and the caller read, and the next server may not have it.
 */
export class FlushTracker {
  readonly #target: Flushable
  readonly #flusher: Flusher
  #lost = false

  constructor(target: Flushable) {
    this.#target = target
    this.#flusher = new Flusher(async (permit) => {
      this.#check()
      await target.flush(permit)
      // Changes lost since the flush was sent may be covered or not.
      this.#check()
    })
  }

  /** A connection was lost. Its unflushed changes still count. */
  lost(): void {
    if (this.#target.unflushed) this.#lost = true
  }

  /**
   * Every change that succeeded before the call is on stable storage when it resolves.
   * @throws {NbdFault} that is uncertain; every later call then fails too
   */
  flush(permit: Permit): Promise<void> {
    return this.#flusher.flush(permit)
  }

  #check(): void {
    if (!this.#lost) return
    throw new NbdFault('lost', 'a connection was lost with writes that were not flushed')
  }
}
