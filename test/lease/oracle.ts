import { isRingError } from '../../src/errors.ts'
import type { Host } from './host.ts'
import type { Outcome } from './run.ts'

/** Who took the role. */
export interface Handle {
  readonly host: Host
  readonly owner: string
  readonly number: number
}

/** Knows who may acknowledge, and what was acknowledged. */
export class Oracle {
  takeovers = 0
  /** Who took the role too late has overwritten the record of a holder: from then on nobody knows whom to fence. */
  overwritten = false
  #broken: string | undefined
  #handles = 0
  #lost = 0
  readonly #acknowledged: { readonly item: string; readonly handle: number }[] = []
  #expecting = false
  #atWork = false

  get broken(): string | undefined {
    return this.#broken
  }

  /** Whether something was acknowledged since that was expected. */
  get isAtWork(): boolean {
    return this.#atWork
  }

  get outcome(): Outcome {
    const { takeovers } = this
    const counts = { acknowledged: this.#acknowledged.length, takeovers, lost: this.#lost }
    return this.#broken === undefined ? counts : { ...counts, broken: this.#broken }
  }

  break(what: string): void {
    this.#broken ??= what
  }

  attached(host: Host, owner: string): Handle {
    return { host, owner, number: ++this.#handles }
  }

  /**
   * Only who took the role last may acknowledge. A host whose clocks stood still may do so late, but only what was written
   * before it was fenced: `compare` shows that.
   */
  acknowledged({ host, owner, number }: Handle, item: string): void {
    if (number !== this.#handles && !host.frozen)
      this.break(`${owner} acknowledges after another one took the role`)
    this.#acknowledged.push({ item, handle: number })
    this.#atWork ||= this.#expecting
  }

  /** Where everybody fences, no write arrives after another one has taken the role. */
  arrived({ owner, number }: Handle): void {
    if (number !== this.#handles && !this.overwritten)
      this.break(`a write of ${owner} arrives after another one took the role`)
  }

  expectWork(): void {
    this.#expecting = true
  }

  failed(error: unknown): void {
    if (isRingError(error) && error.code === 'RING_LEASE_LOST') this.#lost++
  }

  /** All that was acknowledged is there, what a handle pushed in its order. */
  compare(found: readonly string[]): void {
    const places = new Map(found.map((item, at) => [item, at]))
    const last = new Map<number, number>()
    for (const { item, handle } of this.#acknowledged) {
      const place = places.get(item) ?? -1
      if (place <= (last.get(handle) ?? -1)) {
        this.break(`${item} was acknowledged, and is not where it should be`)
      }
      last.set(handle, place)
    }
  }
}
