import { RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import type { Closed } from '../ring/types.ts'
import { onAbort } from '../util/abort.ts'
import type { WaitingOptions } from '../util/waiting.ts'
import { CallSignal } from './call-signal.ts'
import { PartialPushError } from './partial-push-error.ts'

/** One ring's part of a push. */
export interface PushPart<In> {
  readonly writer: RingWriter<In>
  /**
   * Pushes it; resolves with the position after its last item, or with undefined if the push goes on without this ring.
   */
  readonly push: (options: WaitingOptions) => Promise<Position | undefined>
}

/** What failed of a push. */
interface Failures<In> {
  /** The error of each ring that failed; undefined while none has. */
  errors: Map<RingWriter<In>, unknown> | undefined
  first: unknown
}

/**
 * Pushes that go through several writers.
 *
 * - If one part fails, the parts that still wait are withdrawn; a commit under way ends first. So when a push settles,
 *   it is known which rings have its items.
 * - Closing does the same to all pushes. It never closes a writer.
 * - Thousands of pushes may wait at the same time, so each keeps few objects alive: collecting them would take most of
 *   the time.
 */
export class JointPushes<In> {
  readonly #name: string
  readonly #closing = new AbortController()
  /** The signals of the pushes under way: aborting one withdraws what waits. */
  readonly #underWay = new Set<CallSignal>()
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
    const over = new CallSignal()
    const failures: Failures<In> = { errors: undefined, first: undefined }
    this.#underWay.add(over)
    const unlisten = signal && onAbort(signal, () => over.abort(signal.reason))
    try {
      const durable = await pushAll(parts, over, failures)
      const { errors, first } = failures
      if (errors === undefined) return durable
      const closing = this.#closing.signal
      if (closing.aborted && first === closing.reason) this.#rejected++
      throw durable.size === 0 ? first : new PartialPushError(durable, errors, first)
    } finally {
      unlisten?.()
      this.#underWay.delete(over)
      if (this.#underWay.size === 0) this.#onIdle()
    }
  }

  /** Withdraws what waits, and resolves once no push is under way. */
  close(): Promise<Closed> {
    this.#closed ??= this.#close()
    return this.#closed
  }

  async #close(): Promise<Closed> {
    const message = `The ${this.#name} was closed; its writers were not`
    const closed = new RingError('RING_CLOSED', message, {})
    this.#closing.abort(closed)
    for (const push of this.#underWay) push.abort(closed)
    if (this.#underWay.size > 0) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve
      })
    }
    return { rejected: this.#rejected }
  }
}

/** Resolves with the position in each ring that has its items, once all parts have settled. Never rejects. */
async function pushAll<In>(
  parts: readonly PushPart<In>[],
  over: CallSignal,
  failures: Failures<In>,
): Promise<ReadonlyMap<RingWriter<In>, Position>> {
  const waiting: WaitingOptions = { signal: over.asSignal }
  const pushing = parts.map(({ writer, push }) =>
    push(waiting).catch((error: unknown) => {
      if (failures.errors === undefined) failures.first = error
      failures.errors ??= new Map()
      failures.errors.set(writer, error)
      over.abort(error)
      return undefined
    }),
  )
  const durable = new Map<RingWriter<In>, Position>()
  for (const [at, { writer }] of parts.entries()) {
    const position = await pushing[at]
    if (position !== undefined) durable.set(writer, position)
  }
  return durable
}
