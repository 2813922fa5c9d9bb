import { Flusher } from '../file/flusher.ts'
import { NbdFault } from './fault.ts'

/**
 * Knows whether a flush covers what was written. A server that is lost may have lost its cache, too: what was written
 * and not flushed by then is of unknown fate, and no flush over another connection can change that.
 */
export class Stability {
  readonly #flusher: Flusher
  #written = 0
  #stable = 0
  #lost = false

  /** `send` sends a flush, and resolves with its reply. */
  constructor(send: () => Promise<unknown>) {
    this.#flusher = new Flusher(async () => {
      this.#check()
      const covered = this.#written
      await send()
      this.#check()
      this.#stable = Math.max(this.#stable, covered)
    })
  }

  /** A write that is not durable was replied to. */
  wrote(): void {
    this.#written++
  }

  /** A connection was lost. */
  lost(): void {
    if (this.#written > this.#stable) this.#lost = true
  }

  /**
   * Everything that was replied to before the call is on stable storage when it resolves.
   * @throws {NbdFault} nobody knows that; then it fails for ever
   */
  flush(): Promise<void> {
    return this.#flusher.flush()
  }

  #check(): void {
    if (!this.#lost) return
    throw new NbdFault('lost', 'a connection was lost with writes that were not flushed')
  }
}
