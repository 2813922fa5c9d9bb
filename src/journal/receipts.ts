import type { Position } from '../position.ts'
import type { JournalError } from './errors.ts'

/** A receipt that waits for its operation. */
interface Pending {
  readonly position: Position
  /** The time of its push. */
  readonly calledAt: number
  resolve(): void
  reject(error: JournalError): void
}

/** Receipts of operations that are not performed yet. */
export class Receipts {
  /** Ascending. */
  readonly #pending: Pending[] = []
  #performedUpTo: Position
  #ended: JournalError | undefined
  #left = 0

  constructor(performedUpTo: Position) {
    this.#performedUpTo = performedUpTo
  }

  /** The end of the operations that were performed or skipped. */
  get performedUpTo(): Position {
    return this.#performedUpTo
  }

  /**
   * The number of operations that were not performed, including those whose receipts were rejected when the journal
   * ended.
   */
  get size(): number {
    return this.#pending.length + this.#left
  }

  /** The time of the oldest pending operation's push; undefined if none is pending. */
  get oldest(): number | undefined {
    return this.#pending[0]?.calledAt
  }

  /** Settles with the operation that ends at `position`; its rejection may go unhandled. */
  add(position: Position, calledAt: number): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      if (position <= this.#performedUpTo) resolve()
      else if (this.#ended !== undefined) reject(this.#ended)
      else this.#insert({ position, calledAt, resolve, reject })
    })
    done.catch(() => undefined)
    return done
  }

  /** All operations up to `position` were performed. */
  performed(position: Position): void {
    this.#performedUpTo = position
    for (const receipt of this.#take(position)) receipt.resolve()
  }

  /** The operation that ends at `position` was skipped. */
  deadLettered(position: Position, error: JournalError): void {
    this.#performedUpTo = position
    for (const receipt of this.#take(position)) receipt.reject(error)
  }

  /** Rejects the receipts of operations after `position`, and all later ones. */
  end(error: JournalError, position: Position): void {
    this.#ended = error
    const left = this.#pending.splice(this.#countUpTo(position))
    this.#left += left.length
    for (const receipt of left) receipt.reject(error)
  }

  #take(position: Position): readonly Pending[] {
    return this.#pending.splice(0, this.#countUpTo(position))
  }

  #countUpTo(position: Position): number {
    const count = this.#pending.findIndex((receipt) => receipt.position > position)
    return count < 0 ? this.#pending.length : count
  }

  /** Pushes of one commit do not always resolve in their order. */
  #insert(receipt: Pending): void {
    const after = this.#pending.findLastIndex(({ position }) => position <= receipt.position)
    this.#pending.splice(after + 1, 0, receipt)
  }
}
