import type { Position } from '../../position.ts'
import type { RingEntry } from './entry.ts'
import type { ProcessSource } from './process/processor.ts'
import type { ReceiveManyOptions } from './reader-options.ts'

/** The receiver in place of the program. */
export type Reserver = 'process' | 'a FanIn'

/** A reader for the code that reserved it. */
export interface Reserved<Out> extends ProcessSource<Out> {
  /** As the reader's, and so are the methods. */
  readonly position: Position
  receiveMany(options: ReceiveManyOptions): Promise<readonly RingEntry<Out>[]>
  tryReceiveMany(options: ReceiveManyOptions): Promise<readonly RingEntry<Out>[]>
  seek(position: Position): Promise<void>
  /** Lets the program receive again. */
  release(): void
}

/**
 * Decides who receives from a reader and moves its position: any number of calls of the program, or one other part of
 * the package alone. Neither begins while the other is there, so no item goes to a call that has ended.
 */
export class Reservation {
  readonly #device: string
  #by: Reserver | undefined
  /** Calls of the program under way. */
  #calls = 0

  /** @param device its name, for errors */
  constructor(device: string) {
    this.#device = device
  }

  /**
   * Runs a call of the program.
   * @throws {TypeError} the reader is reserved
   */
  async run<T>(call: () => Promise<T>): Promise<T> {
    this.#check()
    this.#calls++
    try {
      return await call()
    } finally {
      this.#calls--
    }
  }

  /**
   * Refuses the program's calls until the reader is released.
   * @throws {TypeError} it is reserved already, or a call of the program is under way
   */
  take(by: Reserver): void {
    this.#check(by)
    if (this.#calls > 0) {
      throw new TypeError(
        `a call that receives from ${this.#device}, or moves its reader, is under way: end it first, because ${by} receives alone`,
      )
    }
    this.#by = by
  }

  release(): void {
    this.#by = undefined
  }

  #check(by?: Reserver): void {
    const reserver = this.#by
    if (reserver === undefined) return
    if (reserver === 'process' && by === 'process') {
      throw new TypeError('this reader is processing already')
    }
    const end = reserver === 'process' ? 'stop it' : 'remove the reader from it'
    throw new TypeError(
      `${reserver} receives alone from ${this.#device}: ${end} first, or leave it to it`,
    )
  }
}
