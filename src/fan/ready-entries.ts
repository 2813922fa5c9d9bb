import { isCodecError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingEntry } from '../ring/queue/entry.ts'
import type { RingReader } from '../ring/queue/reader.ts'

/** The amount of a ring that is read before its turn: enough that a turn rarely waits, and little with hundreds of rings. */
const AHEAD = { maxItems: 64, maxBytes: 64 << 10 } as const

/**
 * The entries that one ring of a fan-in has ready. It reads a little ahead; entries that are not handed out go back to the ring.
 *
 * ```
 *   handed out | ready        | not read
 *             from          reader's position
 * ```
 */
export class ReadyEntries<Out> {
  readonly reader: RingReader<Out>
  readonly #stop = new AbortController()
  readonly #onReady: () => void
  readonly #reading: Promise<void>
  #ended: Promise<void> | undefined
  #entries: readonly RingEntry<Out>[] = []
  #next = 0
  #failure: { readonly error: unknown } | undefined
  /** Everything before it was handed out. */
  #from: Position
  /** Lets the read loop continue. */
  #goOn: () => void = () => undefined

  /** @param onReady called when there is something to take after there was nothing */
  constructor(reader: RingReader<Out>, onReady: () => void) {
    this.reader = reader
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
    this.#goOn()
    await this.#reading
    const isLeft = this.#next < this.#entries.length || this.#failure !== undefined
    this.#entries = []
    this.#failure = undefined
    if (isLeft && this.reader.position !== this.#from) await this.reader.seek(this.#from)
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
      try {
        this.#entries = await this.reader.receiveMany({ ...AHEAD, signal })
      } catch (error) {
        // The reason of `end` is no error of the ring. Any other one is: `end` goes back for it.
        if (signal.aborted && error === signal.reason) return
        this.#entries = []
        this.#failure = { error }
      }
      this.#next = 0
      const used = new Promise<void>((resolve) => {
        this.#goOn = resolve
      })
      if (signal.aborted) return
      this.#onReady()
      await used
    }
  }
}
