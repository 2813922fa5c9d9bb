import { systemClock } from '../clock.ts'
import { UNNAMED } from '../ring/names.ts'
import { NOTHING_DONE, process } from '../ring/queue/process/process.ts'
import { processSettings } from '../ring/queue/process/process-settings.ts'
import type { Handler, ProcessOptions, ProcessSummary } from '../ring/queue/process/types.ts'
import { insideOf, type RingReader } from '../ring/queue/reader.ts'
import { Turns } from '../tasks/turns.ts'
import { onAbort } from '../util/abort.ts'

/** Called when the items of a ring can no longer be handled, also because its reader was closed. */
type OnFailed<Out> = (error: unknown, reader: RingReader<Out>) => void

/** A ring whose items are handled. */
interface HandledRing {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

/**
 * Has the items of many rings handled: each ring by a call of `process` of its own, so that its items are settled and ordered as usual, and
 * all with the turns of one.
 */
export class FanProcessor<Out> {
  readonly #handler: Handler<Out>
  readonly #options: ProcessOptions<Out>
  readonly #onFailed: OnFailed<Out>
  readonly #turns: Turns
  readonly #maxHeldBytes: number
  readonly #rings = new Map<RingReader<Out>, HandledRing>()
  readonly #stop = new AbortController()
  #failure: { readonly error: unknown } | undefined
  #summary: ProcessSummary = NOTHING_DONE
  #onEnded: () => void = () => undefined
  /** Rings whose call has not ended. */
  #running = 0

  /**
   * @param onFailed called when a ring's call rejects; the others continue
   * @throws {TypeError | RangeError} as `RingReader.process`; there is a `requeueTo`
   */
  constructor(handler: Handler<Out>, options: ProcessOptions<Out>, onFailed: OnFailed<Out>) {
    if (typeof handler !== 'function') throw new TypeError('process takes a function')
    if (options.requeueTo !== undefined) {
      throw new RangeError('requeueTo is the writer of one ring, and these are many')
    }
    const settings = processSettings(options, { clock: systemClock, client: UNNAMED })
    this.#handler = handler
    this.#options = options
    this.#onFailed = onFailed
    this.#turns = new Turns(settings.concurrency)
    this.#maxHeldBytes = settings.maxHeldBytes
  }

  /** Whether it began with a ring, and has not ended with it. */
  has(reader: RingReader<Out>): boolean {
    return this.#rings.has(reader)
  }

  /** Begins with a ring; `rings` are in all, and share the memory. */
  add(reader: RingReader<Out>, rings: number): void {
    const stop = new AbortController()
    if (this.#stop.signal.aborted) stop.abort()
    const { signal } = stop
    const maxHeldBytes = Math.max(1, Math.floor(this.#maxHeldBytes / rings))
    const options = { ...this.#options, maxHeldBytes, signal }
    this.#running++
    const ended = process(reader, this.#handler, options, insideOf(reader), this.#turns).then(
      (summary) => this.#count(summary),
      (error: unknown) => this.#fail(error, reader),
    )
    const worked: HandledRing = { stop, ended: ended.then(() => this.#ringEnded(reader, worked)) }
    this.#rings.set(reader, worked)
  }

  /** Ends with a ring: once the handlers under way have ended and are acknowledged. */
  async remove(reader: RingReader<Out>): Promise<void> {
    const worked = this.#rings.get(reader)
    worked?.stop.abort()
    await worked?.ended
  }

  /** Starts no further handler. */
  stop(): void {
    this.#stop.abort()
    for (const { stop } of this.#rings.values()) stop.abort()
    this.#check()
  }

  /** Stops; `run` throws the error. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.stop()
  }

  /** Resolves when it was stopped, or with `untilEmpty` when nothing is left, and all handlers have ended. */
  async run(): Promise<ProcessSummary> {
    const { signal } = this.#options
    const listening = onAbort(signal, () => this.stop())
    await new Promise<void>((resolve) => {
      this.#onEnded = resolve
      this.#check()
    })
    listening()
    if (this.#failure !== undefined) throw this.#failure.error
    return this.#summary
  }

  #ringEnded(reader: RingReader<Out>, worked: HandledRing): void {
    // The callback may have added the ring again.
    if (this.#rings.get(reader) === worked) this.#rings.delete(reader)
    this.#running--
    this.#check()
  }

  #check(): void {
    const { untilEmpty = false } = this.#options
    if (this.#running === 0 && (untilEmpty || this.#stop.signal.aborted)) this.#onEnded()
  }

  #count(summary: ProcessSummary): void {
    const { handled, failedAttempts, deadLettered, requeued } = this.#summary
    const { skipped, overwritten, abandoned } = this.#summary
    this.#summary = {
      handled: handled + summary.handled,
      failedAttempts: failedAttempts + summary.failedAttempts,
      deadLettered: deadLettered + summary.deadLettered,
      requeued: requeued + summary.requeued,
      skipped: skipped + summary.skipped,
      overwritten: overwritten + summary.overwritten,
      abandoned: abandoned + summary.abandoned,
    }
  }

  #fail(error: unknown, reader: RingReader<Out>): void {
    try {
      this.#onFailed(error, reader)
    } catch (thrown) {
      this.fail(thrown)
    }
  }
}
