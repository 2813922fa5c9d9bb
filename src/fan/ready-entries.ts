import { isCodecError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import type { RingReader } from '../ring/queue/reader.ts'
import type { Reserved } from '../ring/queue/reservation.ts'

/**
 * The amount of a ring that is read before its turn: enough that a turn rarely waits, and little with hundreds of
 * rings.
 */
const AHEAD = { maxItems: 64, maxBytes: 64 << 10 } as const

/**
 * The entries that one ring of a fan-in has ready. It reads a little ahead; entries that are not handed out go back to
 * the ring.
 *
 * ```
 *   handed out | ready        | not read
 *             from          reader's position
 * ```
 */
export class ReadyEntries<Out> {
  readonly reader: RingReader<Out>
  readonly #source: Reserved<Out>
  readonly #stop = new AbortController()
  readonly #onReady: () => void
  readonly #reading: Promise<void>
  #ended: Promise<void> | undefined
  #entries: readonly RingEntry<Out>[] = []
  #next = 0
  /** Calls of `look` that wait for the next one. */
  #lookers: (() => void)[] = []
  /** Ends a wait for entries: to look now, or for good. */
  #waiting = new AbortController()
  #failure: { readonly error: unknown } | undefined
  /** Everything before it was handed out. */
  #from: Position
  /** Lets the read loop continue. */
  #goOn: () => void = () => undefined

  /**
   * @param source the same reader, as whoever reserved it has it
   * @param onReady called when there is something to take after there was nothing
   */
  constructor(reader: RingReader<Out>, source: Reserved<Out>, onReady: () => void) {
    this.reader = reader
    this.#source = source
    this.#from = reader.position
    this.#onReady = onReady
    this.#reading = this.#read()
  }

  /** True if there is an entry, or an error, to take. */
  get isReady(): boolean {
    return !this.hasEnded && (this.#next < this.#entries.length || this.#failure !== undefined)
  }

  /** True if it delivers nothing more. */
  get hasEnded(): boolean {
    return this.#stop.signal.aborted
  }

  /** True if an error comes next. */
  get failsNext(): boolean {
    return this.#next === this.#entries.length && this.#failure !== undefined
  }

  /** Looks for entries now, if it has none. Resolves once it is known whether there are any. */
  look(): Promise<void> {
    if (this.isReady || this.hasEnded) return Promise.resolve()
    return new Promise((resolve) => {
      this.#lookers.push(resolve)
      this.#waiting.abort()
    })
  }

  /**
   * The next entry; call it only if it is ready.
   * @throws as `RingReader.receive`; after a `CodecError` it continues after that item, any other error ends it
   */
  take(): RingEntry<Out> {
    const entry = this.#entries[this.#next]
    if (entry === undefined) return this.#fail()
    this.#next++
    this.#from = entry.position
    if (!this.isReady) this.#goOn()
    return entry
  }

  /** Ends it: entries that were not handed out are delivered again. */
  end(): Promise<void> {
    this.#ended ??= this.#end()
    return this.#ended
  }

  async #end(): Promise<void> {
    this.#stop.abort()
    this.#waiting.abort()
    this.#goOn()
    await this.#reading
    const isLeft = this.#next < this.#entries.length || this.#failure !== undefined
    this.#entries = []
    this.#failure = undefined
    if (isLeft && this.reader.position !== this.#from) await this.#source.seek(this.#from)
  }

  #fail(): never {
    const error = this.#failure?.error
    this.#failure = undefined
    if (isCodecError(error)) this.#from = this.reader.position
    else this.#stop.abort()
    this.#goOn()
    throw error
  }

  async #read(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      // Who calls `look` from here on asks for another one.
      const lookers = this.#lookers
      this.#lookers = []
      const isFilled = await this.#fill(lookers.length > 0)
      const used = new Promise<void>((resolve) => {
        this.#goOn = resolve
      })
      const goesOn = !signal.aborted
      if (isFilled && goesOn) this.#onReady()
      for (const looked of lookers) looked()
      if (!isFilled || !goesOn) continue
      this.#endLooks()
      await used
    }
    this.#endLooks()
  }

  /**
   * Reads ahead: what is there now, or with a wait for it.
   * @returns whether there is something to take
   */
  async #fill(now: boolean): Promise<boolean> {
    if (this.#waiting.signal.aborted) this.#waiting = new AbortController()
    const { signal } = now ? this.#stop : this.#waiting
    try {
      this.#entries = now
        ? await this.#source.tryReceiveMany({ ...AHEAD, signal })
        : await this.#source.receiveMany({ ...AHEAD, signal })
    } catch (error) {
      this.#entries = []
      // The reason of `look` and `end` is no error of the ring. Any other one is: `end` goes back for it.
      if (!signal.aborted || error !== signal.reason) this.#failure = { error }
    }
    this.#next = 0
    return this.#entries.length > 0 || this.#failure !== undefined
  }

  #endLooks(): void {
    for (const looked of this.#lookers) looked()
    this.#lookers = []
  }
}
