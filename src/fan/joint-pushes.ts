import { RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import type { Closed } from '../ring/types.ts'
import { CallSignal, onAbort } from '../util/abort.ts'
import type { WaitingOptions } from '../util/waiting.ts'
import { PartialPushError } from './partial-push-error.ts'

/** One ring's part of a push. */
export interface PushPart<In> {
  readonly writer: RingWriter<In>
  /** Pushes it; resolves with the position after its last item, or with undefined if the push goes on without this ring. */
  readonly push: (options: WaitingOptions) => Promise<Position | undefined>
}

/**
 * Pushes that go through several writers.
 *
 * - If one part fails, the parts that still wait are withdrawn; a commit under way ends first. So when a push settles, it is known which rings
 *   have its items.
 * - Closing does the same to all pushes. It never closes a writer.
 */
export class JointPushes<In> {
  readonly #name: string
  readonly #closing = new AbortController()
  #underWay = 0
  #rejected = 0
  #onIdle: () => void = () => undefined
  #closed: Promise<Closed> | undefined

  /** @param name of what is closed, for errors */
  constructor(name: string) {
    this.#name = name
  }

  /** @throws {RingError} `RING_CLOSED` */
  checkOpen(): void {
    this.#closing.signal.throwIfAborted()
  }

  /**
   * Resolves with the position in each ring, in the order of the parts, without those that the push went on without.
   * @throws {PartialPushError} some rings have all of their items, others do not
   * @throws what failed first, if no ring has all of its items; the signal's reason
   */
  async push(
    parts: readonly PushPart<In>[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<RingWriter<In>, Position>> {
    this.checkOpen()
    signal?.throwIfAborted()
    const closing = this.#closing.signal
    this.#underWay++
    try {
      const [only] = parts
      // One part has no other to be withdrawn for: it does without a signal of its own.
      if (only !== undefined && parts.length === 1 && signal === undefined) {
        const position = await only.push({ signal: closing })
        return new Map(position === undefined ? [] : [[only.writer, position]])
      }
      return await this.#pushAll(parts, signal)
    } catch (error) {
      const cause = error instanceof PartialPushError ? error.cause : error
      if (closing.aborted && cause === closing.reason) this.#rejected++
      throw error
    } finally {
      this.#underWay--
      if (this.#underWay === 0) this.#onIdle()
    }
  }

  /** Withdraws what waits, and resolves once no push is under way. */
  close(): Promise<Closed> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<Closed> {
    const message = `The ${this.#name} was closed; its writers were not`
    this.#closing.abort(new RingError('RING_CLOSED', message, {}))
    if (this.#underWay > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    return { rejected: this.#rejected }
  }

  async #pushAll(
    parts: readonly PushPart<In>[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<RingWriter<In>, Position>> {
    const closing = this.#closing.signal
    const over = new CallSignal()
    const endings = [signal, closing].map((each) => onAbort(each, () => over.abort(each?.reason)))
    const failed = new Map<RingWriter<In>, unknown>()
    let first: { readonly error: unknown } | undefined
    const pushPart = async ({ writer, push }: PushPart<In>): Promise<Position | undefined> => {
      try {
        return await push({ signal: over.asSignal })
      } catch (error) {
        failed.set(writer, error)
        first ??= { error }
        over.abort(error)
        return undefined
      }
    }
    const positions = await Promise.all(parts.map(pushPart))
    for (const end of endings) end()
    const durable = new Map<RingWriter<In>, Position>()
    for (const [at, { writer }] of parts.entries()) {
      const position = positions[at]
      if (position !== undefined) durable.set(writer, position)
    }
    if (first === undefined) return durable
    throw durable.size === 0 ? first.error : new PartialPushError(durable, failed, first.error)
  }
}
