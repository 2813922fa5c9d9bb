import type { Position } from '../../position.ts'
import { untilAborted } from '../../util/abort.ts'
import { Serial } from '../../util/serial.ts'
import type { OwnItems } from '../shared/own-items.ts'

/**
 * Pushes whose items are still being encoded. They keep their order: a slow codec must not let later pushes overtake.
 */
export class EncodingPushes {
  readonly #inOrder = new Serial()
  readonly #closing: AbortSignal
  readonly #enqueue: (items: OwnItems, signal: AbortSignal | undefined) => Promise<Position>
  #count = 0
  #rejected = 0

  /**
   * @param closing aborted when the writer is closed
   * @param enqueue queues encoded items
   */
  constructor(
    closing: AbortSignal,
    enqueue: (items: OwnItems, signal: AbortSignal | undefined) => Promise<Position>,
  ) {
    this.#closing = closing
    this.#enqueue = enqueue
  }

  /** True if a push made now has to queue here, even if its items are encoded. */
  get any(): boolean {
    return this.#count > 0
  }

  /** Queues items once they are encoded and those of all earlier calls are queued; resolves when they are pushed. */
  async push(encoded: Promise<OwnItems>, signal: AbortSignal | undefined): Promise<Position> {
    const { pushed } = await this.#queued(encoded, signal)
    return pushed
  }

  /** Resolves with the number of pushes that closing rejected, once all of them are. */
  rejected(): Promise<number> {
    return this.#inOrder.run(async () => this.#rejected)
  }

  /** Resolves when the next call may queue its items, before these are pushed. */
  async #queued(
    encoded: Promise<OwnItems>,
    signal: AbortSignal | undefined,
  ): Promise<{ pushed: Promise<Position> }> {
    // A codec may never finish, so a signal and closing do not wait for it.
    const awaited = untilAborted(encoded, signal, this.#closing)
    awaited.catch(() => undefined) // It is awaited below, but perhaps only later.
    this.#count++
    try {
      return await this.#inOrder.run(async () => {
        try {
          return { pushed: this.#enqueue(await awaited, signal) }
        } catch (error) {
          if (this.#closing.aborted && error === this.#closing.reason) this.#rejected++
          throw error
        }
      }, signal)
    } finally {
      this.#count--
    }
  }
}
