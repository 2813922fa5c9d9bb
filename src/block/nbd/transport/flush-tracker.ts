import { Flusher } from '../../file/io/flusher.ts'
import type { Permit } from '../../permit.ts'
import { NbdFault } from './fault.ts'

/** Where changes go, and are flushed. */
export interface Flushable {
  /** Whether a change was answered that no flush has covered since. */
  readonly unflushed: boolean
  /** Sends a flush over each connection with unflushed changes, or over any if there are none. */
  flush(permit: Permit): Promise<unknown>
}

/**
 * Knows whether a flush covers what was changed before it.
 *
 * - A change (a write, zeroes or a discard without FUA) is unflushed from its answer until the answer to a flush that
 *   was sent after it, over the same connection: another connection may lead to another server by now.
 * - It is counted for each request, and when the answer comes: a call may be many requests, and a connection may be
 *   lost between two of them.
 * - A server that is lost may have lost its cache. Connections end together then, and this client hears of one after the
 *   other, so with the first one everything that is unflushed, over whatever connection, is of unknown fate. Nothing can
 *   change that: each later flush fails.
 * - A flush whose answer did not come is not sent again, even if nothing here was unflushed: it also answers for what others have
 *   written and its caller has read, and the next server may not have that.
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
      // What was lost meanwhile may have been covered or not.
      this.#check()
    })
  }

  /** A connection was lost. Its unflushed changes still count. */
  lost(): void {
    if (this.#target.unflushed) this.#lost = true
  }

  /**
   * Every change that was answered before the call is on stable storage when it resolves.
   * @throws {NbdFault} nobody knows that; then it fails for ever
   */
  flush(permit: Permit): Promise<void> {
    return this.#flusher.flush(permit)
  }

  #check(): void {
    if (!this.#lost) return
    throw new NbdFault('lost', 'a connection was lost with writes that were not flushed')
  }
}
