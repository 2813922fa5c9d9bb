import { isRingError } from '../../errors.ts'
import type { Broken } from '../runs/violation.ts'
import type { Trace } from '../world/trace.ts'
import type { Host } from './host.ts'

/** A host that took the role. */
export interface Handle {
  readonly host: Host
  readonly owner: string
  readonly number: number
}

/** Knows which host may acknowledge, and what was acknowledged. */
export class HostsOracle {
  /**
   * True if a host that took the role too late has overwritten the record of a holder: from then on no record says whom
   * to fence.
   */
  overwritten = false
  readonly #trace: Trace
  #broken: Broken | undefined
  #handles = 0
  #lost = 0
  readonly #acknowledged: { readonly item: string; readonly handle: number }[] = []
  #expecting = false
  #atWork = false

  constructor(trace: Trace) {
    this.#trace = trace
  }

  /** The first guarantee that was violated. */
  get broken(): Broken | undefined {
    return this.#broken
  }

  /** True if an item was acknowledged since `expectWork`. */
  get isAtWork(): boolean {
    return this.#atWork
  }

  /** The number of items that were acknowledged, and how often a host noticed that it no longer holds the role. */
  get counts(): { readonly acknowledged: number; readonly lost: number } {
    return { acknowledged: this.#acknowledged.length, lost: this.#lost }
  }

  /** A guarantee is violated. */
  break(kind: string, message: string): void {
    if (this.#broken !== undefined) return
    this.#broken = { kind, message }
    this.#trace(() => `VIOLATION (${kind}): ${message}`)
  }

  /** A host has the role now. */
  attached(host: Host, owner: string): Handle {
    this.#trace(() => `${owner} has the role`)
    return { host, owner, number: ++this.#handles }
  }

  /**
   * Only the host that took the role last may acknowledge. A host whose clocks stood still may do so late, but only
   * what was written before it was fenced: `compare` shows that.
   */
  acknowledged({ host, owner, number }: Handle, item: string): void {
    this.#trace(() => `${owner} acknowledges an item`)
    if (number !== this.#handles && !host.frozen) {
      this.break('two holders', `${owner} acknowledges after another one took the role`)
    }
    this.#acknowledged.push({ item, handle: number })
    this.#atWork ||= this.#expecting
  }

  /**
   * A host that sends a request still believes in its role, though the ring may refuse its writes. A host whose clocks
   * stood still may: it cannot know.
   */
  requested({ host, owner, number }: Handle): void {
    if (number !== this.#handles && !host.frozen) {
      this.break('two holders', `${owner} goes on after another one took the role`)
    }
  }

  /** If every host fences, no write arrives after another host has taken the role. */
  arrived({ owner, number }: Handle): void {
    if (number !== this.#handles && !this.overwritten) {
      this.break('late write', `a write of ${owner} arrives after another one took the role`)
    }
  }

  /** Expects some host to start working. */
  expectWork(): void {
    this.#trace(() => 'all is calm: somebody has to be at work soon')
    this.#expecting = true
  }

  /** A host did not get the role, or has lost it. */
  failed(owner: string, error: unknown): void {
    this.#trace(() => `${owner} ends: ${String(error)}`)
    if (isRingError(error) && error.code === 'RING_LEASE_LOST') this.#lost++
  }

  /** Checks that everything acknowledged is there, and that each handle's items are in order. */
  compare(found: readonly string[]): void {
    const order = new Map(found.map((item, at) => [item, at]))
    const last = new Map<number, number>()
    for (const { item, handle } of this.#acknowledged) {
      const rank = order.get(item) ?? -1
      if (rank <= (last.get(handle) ?? -1)) {
        this.break('lost', `${item} was acknowledged, and is not where it should be`)
      }
      last.set(handle, rank)
    }
  }
}
