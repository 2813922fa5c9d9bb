import type { Clock } from '../../clock.ts'
import { asPosition, type Position } from '../../position.ts'
import type {
  DeadLetter,
  EncodedSink,
  Handler,
  Job,
  ProcessOptions,
} from '../../ring/queue/process/types.ts'
import { isWorkError } from '../../ring/queue/process/work-error.ts'
import type { RingRole } from '../../ring/types.ts'
import { Violation } from '../runs/violation.ts'
import { Random } from '../world/random.ts'
import { itemNumber } from './oracle.ts'
import type { WorkStep } from './plan.ts'
import { isUndecodable } from './undecodable.ts'

/** Positions of requeued items begin here: no item of the ring has one of them. */
const ELSEWHERE = 1n << 61n

/** State that outlives the process that handles items. */
export class WorkLedger {
  /** Items whose handler began, ever. */
  readonly begun: Set<number> = new Set()
  /** Attempts at items, as an `AttemptStore` keeps them. */
  readonly attempts: Map<string, number> = new Map()
  /** The number of items that were requeued. */
  requeued = 0
}

/** An item that was delivered to a call of `process`. */
interface Assignment {
  readonly id: number
  /** True if it does not decode: no handler may get it. */
  readonly bad: boolean
  readonly item: Uint8Array
  readonly key: number | undefined
  attempts: number
  running: boolean
  /** Its handler succeeded, or it is durable elsewhere. */
  done: boolean
}

/** Where items are handled. */
export interface WorkSetting {
  readonly clock: Clock
  /** True if an item is delivered once to a call; a device that lies may show it at several places. */
  readonly exact: boolean
  /** One of this many items does not decode; 0: all do. */
  readonly undecodable: number
}

/**
 * One call of `process`: supplies the handler, the dead letters, `requeueTo` and the attempt store, each of which takes
 * time and fails now and then; and checks for each item:
 *
 * - It is acknowledged only after its handler succeeded, or after it is durable elsewhere; and not once the call has
 *   ended.
 * - No handler begins after the call was stopped, or after an acknowledgement failed.
 * - Handlers of one key do not run at the same time, and in the order of the ring; and no more at once than
 *   `concurrency`.
 * - An attempt without `mayHaveRun` is the first one ever.
 */
export class Work {
  readonly #step: WorkStep
  readonly #ledger: WorkLedger
  readonly #clock: Clock
  readonly #exact: boolean
  readonly #undecodable: number
  readonly #assigned = new Map<number, Assignment>()
  readonly #stop = new AbortController()
  #running = 0
  #refused = false
  #over = false
  #violation: Violation | undefined

  constructor(step: WorkStep, ledger: WorkLedger, { clock, exact, undecodable }: WorkSetting) {
    this.#step = step
    this.#ledger = ledger
    this.#clock = clock
    this.#exact = exact
    this.#undecodable = undecodable
    const { signal } = this.#stop
    clock.sleep(step.ms, signal).then(
      () => this.#stop.abort(),
      () => undefined,
    )
  }

  /** The options of `process`. */
  options(ring: RingRole): ProcessOptions<Uint8Array> {
    const { concurrency, keys, attempts, graceMs, untilEmpty } = this.#step
    const { letters, requeues, counts, onUndecodable } = this.#step
    return {
      ...{ concurrency, attempts, graceMs, untilEmpty, signal: this.#stop.signal },
      views: this.#step.id % 2 === 0,
      backoff: { firstMs: 4, maxMs: 20 },
      random: () => 0.5,
      maxHeldBytes: this.#step.heldBytes,
      ...(keys > 0 && { keyOf: (item: Uint8Array) => this.#keyOf(itemNumber(item)) }),
      onUndecodable,
      ...(letters && { deadLetter: (letter: DeadLetter<Uint8Array>) => this.#bury(letter) }),
      ...(requeues && { requeueTo: this.#end(ring) }),
      ...(counts && {
        attemptStore: {
          get: (key) => this.#late(key, () => this.#ledger.attempts.get(key)),
          set: (key, count) => this.#late(key, () => this.#ledger.attempts.set(key, count)),
          delete: (key) => this.#ledger.attempts.delete(key),
        },
      }),
    }
  }

  /** Handles an item: synchronously or later, with success or not. */
  readonly handler: Handler<Uint8Array> = (item, job) => {
    const id = itemNumber(item)
    const assignment = this.#begin(id, job)
    const random = Random.of(this.#step.order, id, job.attempt)
    const fate = random.weighted([
      [6, 'ok'],
      [2, 'throw'],
      [1, 'retry'],
      [1, 'dead'],
      [0.3, 'hang'],
    ] as const)
    const end = (): unknown => {
      assignment.running = false
      this.#running--
      if (fate === 'throw') throw new Error('this attempt fails')
      if (fate === 'retry') return job.retry({ afterMs: random.below(10) })
      if (fate === 'dead') return job.giveUp('nothing helps')
      assignment.done = true
      return undefined
    }
    if (fate === 'hang') return aborted(job.signal).then(end)
    return random.chance(0.4) ? end() : this.#clock.sleep(random.pick([1, 3, 10, 30])).then(end)
  }

  /** An item was delivered. */
  assign(id: number, item: Uint8Array): void {
    const old = this.#assigned.get(id)
    if (old !== undefined && !old.done) {
      this.#violate('repeated', `item ${id} was delivered again while it was being handled`)
    }
    const bad = isUndecodable(item, this.#undecodable)
    const key = bad ? undefined : this.#keyOf(id)
    this.#assigned.delete(id)
    this.#assigned.set(id, { id, bad, item, key, attempts: 0, running: false, done: false })
  }

  /** An item is no longer in the ring, and cannot be handled. */
  gone(id: number): void {
    const own = this.#assigned.get(id)
    if (own !== undefined) own.done = true
  }

  /** An item is about to be acknowledged. */
  settling(id: number): void {
    if (this.#over) this.#violate('late', `item ${id} is acknowledged after process has ended`)
    const own = this.#assigned.get(id)
    if (own?.done === true || (own?.bad === true && this.#step.onUndecodable === 'skip')) return
    this.#violate(
      'unfinished',
      `item ${id} is acknowledged, and it is neither handled nor elsewhere`,
    )
  }

  /** An acknowledgement failed. */
  refused(): void {
    this.#refused = true
  }

  /**
   * `process` has ended.
   * @param failed whether it rejected
   * @throws {Violation} it broke one of the rules above
   */
  end(failed: boolean): void {
    this.#over = true
    this.#stop.abort()
    if (this.#violation !== undefined) throw this.#violation
    if (this.#exact && this.#refused && !failed) {
      throw new Violation('unfinished', 'an acknowledgement failed, and process did not')
    }
  }

  /** True if `process` may end with this error: an item that can neither be handled nor given up stays in the ring. */
  mayEndWith(error: unknown): boolean {
    if (!isWorkError(error)) return false
    if (error.code === 'WORK_GIVEN_UP') return !this.#step.letters
    return this.#undecodable > 0 && this.#step.onUndecodable === 'stop'
  }

  #keyOf(id: number): number | undefined {
    const { keys } = this.#step
    // Some have none.
    return keys === 0 || id % (keys + 1) === keys ? undefined : id % (keys + 1)
  }

  #begin(id: number, { attempt, mayHaveRun }: Job): Assignment {
    const own = this.#assigned.get(id)
    if (own === undefined) throw new Violation('invented', `item ${id} was never delivered`)
    if (own.bad) this.#violate('invented', `item ${id} does not decode, and is handled`)
    const { stopped } = this
    if (stopped !== undefined) this.#violate('late', `item ${id} is handled ${stopped}`)
    if (own.running || own.done) this.#violate('repeated', `item ${id} is handled twice`)
    if (this.#running >= this.#step.concurrency) {
      this.#violate('concurrency', `${this.#running + 1} handlers run at once`)
    }
    for (const other of this.#assigned.values()) {
      if (other === own) break
      if (own.key === undefined || other.key !== own.key || other.done) continue
      this.#violate('order', `item ${id} is handled before item ${other.id} of its key`)
    }
    if (!mayHaveRun && this.#ledger.begun.has(id)) {
      this.#violate('repeated', `item ${id} is said not to have been handled, and was`)
    }
    if (!this.#step.counts && attempt !== own.attempts + 1) {
      this.#violate(
        'miscounted',
        `attempt ${own.attempts + 1} at item ${id} is said to be ${attempt}`,
      )
    }
    own.attempts++
    own.running = true
    this.#running++
    this.#ledger.begun.add(id)
    return own
  }

  /** Why no handler may begin. */
  private get stopped(): string | undefined {
    if (this.#over) return 'after process has ended'
    if (this.#stop.signal.aborted) return 'after it was stopped'
    return this.#refused ? 'after an acknowledgement failed' : undefined
  }

  async #bury({ bytes, attempts }: DeadLetter<Uint8Array>): Promise<void> {
    const own = this.#elsewhere(bytes)
    if (own.bad && this.#step.onUndecodable !== 'deadLetter') {
      this.#violate(
        'unfinished',
        `item ${own.id} does not decode, and is a dead letter all the same`,
      )
    }
    const random = Random.of(this.#step.order, own.id, attempts, own.attempts + 1)
    await this.#clock.sleep(random.pick([1, 5, 15]))
    if (this.#clock.now() % 4 < 1) throw new Error('no dead letter is taken now')
    own.done = true
  }

  /** Stands in for a writer of the ring: items that it accepts count as handled. */
  #end(ring: RingRole): EncodedSink & { readonly producer: RingRole } {
    return {
      producer: ring,
      pushEncoded: async (bytes, { signal }): Promise<Position> => {
        const own = this.#elsewhere(bytes)
        if (own.bad)
          this.#violate('order', `item ${own.id} does not decode, and is put behind others`)
        if (own.key !== undefined) this.#violate('order', `item ${own.id} left its place`)
        const random = Random.of(this.#step.order, own.id, 1)
        await untilAborted(this.#clock.sleep(random.pick([1, 3, 30])), signal)
        own.done = true
        return asPosition(ELSEWHERE + BigInt(this.#ledger.requeued++))
      },
    }
  }

  #elsewhere(bytes: Uint8Array): Assignment {
    const id = itemNumber(bytes)
    const own = this.#assigned.get(id)
    if (own === undefined || own.item.some((byte, at) => byte !== bytes[at])) {
      throw this.#violate('invented', `item ${id} goes elsewhere, and was not delivered so`)
    }
    if (own.done) this.#violate('repeated', `item ${id} goes elsewhere, and is done`)
    return own
  }

  async #late<T>(key: string, act: () => T): Promise<T> {
    const random = Random.of(this.#step.order, key.length, this.#ledger.attempts.size)
    await this.#clock.sleep(random.pick([0, 1, 8]))
    if (random.chance(0.1) && this.#clock.now() % 3 < 1) throw new Error('the store is away')
    return act()
  }

  /** A violation that is reported once `process` has ended; thrown here, it would count as a failure of the handler. */
  #violate(kind: string, message: string): Violation {
    const violation = new Violation(kind, message)
    if (!this.#exact) return violation
    this.#violation ??= violation
    this.#stop.abort()
    return violation
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve()))
}

function untilAborted(sleep: Promise<void>, signal: AbortSignal): Promise<void> {
  return Promise.race([sleep, aborted(signal).then(() => signal.throwIfAborted())])
}
