import { systemClock } from '../clock.ts'
import { UNNAMED } from '../ring/names.ts'
import { NOTHING_DONE, process } from '../ring/queue/process/process.ts'
import { processSettings } from '../ring/queue/process/process-settings.ts'
import type { Handler, ProcessOptions, ProcessSummary } from '../ring/queue/process/types.ts'
import { internalsOf, type RingReader } from '../ring/queue/reader.ts'
import type { Reserved } from '../ring/queue/reservation.ts'
import { Turns } from '../tasks/turns.ts'
import { onAbort } from '../util/abort.ts'

/** Called when the items of a ring can no longer be handled, for instance because its reader was closed. */
type OnFailed<Out> = (error: unknown, reader: RingReader<Out>) => void

/** A ring whose items are handled. */
interface HandledRing {
  readonly stop: AbortController
  readonly ended: Promise<void>
}

/**
 * Handles the items of many rings: each ring has its own call of `process`, so that its items are settled and ordered
 * as usual, and all calls share one set of turns.
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

  /** True if it is processing a ring. */
  has(reader: RingReader<Out>): boolean {
    return this.#rings.has(reader)
  }

  /** Starts processing a ring; `rings` is the number of all rings, which share the memory. */
  add(reader: RingReader<Out>, reserved: Reserved<Out>, rings: number): void {
    const stop = new AbortController()
    if (this.#stop.signal.aborted) stop.abort()
    const { signal } = stop
    const maxHeldBytes = Math.max(1, Math.floor(this.#maxHeldBytes / rings))
    const options = { ...this.#options, maxHeldBytes, signal }
    this.#running++
    const ended = process(reserved, this.#handler, options, internalsOf(reader), this.#turns).then(
      (summary) => this.#count(summary),
      (error: unknown) => this.#fail(error, reader),
    )
    const worked: HandledRing = { stop, ended: ended.then(() => this.#ringEnded(reader, worked)) }
    this.#rings.set(reader, worked)
  }

  /** Stops processing a ring; resolves once its running handlers have ended and their items are acknowledged. */
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

  /** Resolves once it was stopped, or with `untilEmpty` once all rings are empty, and all handlers have ended. */
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
