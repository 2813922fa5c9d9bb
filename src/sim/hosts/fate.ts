import type { Scheduler } from '../world/scheduler.ts'
import type { Trace } from '../world/trace.ts'
import type { Host } from './host.ts'
import { describe, type HostsPlan, type Mishap, type MishapKind } from './plan.ts'

/** Where the lease of the producer is, in a ring with blocks of 512 bytes. */
export const LEASE_SECTOR: number = (12_288 + 6 * 4096) / 512

/** A machine, and the process that runs on it now. */
export interface Victim {
  readonly host: Host
  /** True if the process has the role; otherwise it is trying to get it. */
  atWork: boolean
  /** Ends the process. */
  kill(): void
}

/** A request of a host to its storage. */
export interface HostRequest {
  /** Where it begins; undefined for a flush. */
  readonly sector: number | undefined
  readonly writes: boolean
}

/** Has mishaps hit their victims: at their time, or in the middle of a request. */
export class Fate {
  /** How often each kind of mishap happened. */
  readonly counts: Partial<Record<MishapKind, number>> = {}
  readonly #scheduler: Scheduler
  readonly #trace: Trace
  readonly #victims: readonly Victim[]
  readonly #troubleMs: number
  readonly #waiting = new Set<Mishap>()

  constructor(
    scheduler: Scheduler,
    trace: Trace,
    victims: readonly Victim[],
    { mishaps, troubleMs }: HostsPlan,
  ) {
    this.#scheduler = scheduler
    this.#trace = trace
    this.#victims = victims
    this.#troubleMs = troubleMs
    for (const mishap of mishaps) {
      scheduler.after(mishap.atMs, () => {
        if (mishap.amid === undefined) this.#befall(mishap)
        else this.#waiting.add(mishap)
        return true
      })
    }
  }

  /**
   * A request is issued: mishaps that waited for it happen now.
   * @returns how much later than usual the request arrives, in milliseconds
   */
  meet(host: Host, { sector, writes }: HostRequest): number {
    let lateMs = 0
    for (const mishap of this.#waiting) {
      const victim = this.#victims[mishap.host]
      if (victim?.host !== host) continue
      const isOfLease = sector === LEASE_SECTOR
      if (mishap.amid === 'lease' && !(isOfLease && writes)) continue
      if (mishap.amid === 'renewal' && !(isOfLease && !writes && victim.atWork)) continue
      this.#waiting.delete(mishap)
      // No mishaps in the last phase.
      if (this.#scheduler.now >= this.#troubleMs) continue
      this.#befall(mishap)
      lateMs = Math.max(lateMs, mishap.lateMs)
    }
    return lateMs
  }

  #befall(mishap: Mishap): void {
    const { what, ms, host: at } = mishap
    const victim = this.#victims[at]
    if (victim === undefined) return
    const { host, atWork } = victim
    this.counts[what] = (this.counts[what] ?? 0) + 1
    this.#trace(() => `MISHAP ${describe(mishap)}`)
    if (what === 'kill') victim.kill()
    else if (what === 'cut') host.cutOff(ms)
    else if (what === 'forward') host.setWallClock(ms)
    else if (what === 'back') host.setWallClock(-ms)
    // A host whose clocks stop while it takes a free role cannot be excluded: no record names it for a fence. So this
    // does not happen.
    else if (what !== 'late' && (what !== 'freeze' || atWork)) host.pause(what, ms)
  }
}
