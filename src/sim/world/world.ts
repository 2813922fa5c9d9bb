import type { SimDisk } from './disk.ts'
import type { FaultKind, FaultRates, RequestFault } from './faults.ts'
import type { Random } from './random.ts'
import type { Scheduler } from './scheduler.ts'
import { type Trace, traceTo } from './trace.ts'

/** How long the storage refuses writes at most, in milliseconds. */
const MOST_REFUSING_MS = 40

/** Counts of what a simulation did. */
export interface SimCounts {
  seeds: number
  /** Steps of the workload. */
  steps: number
  events: number
  requests: number
  /** Processes killed, also by power cuts. */
  crashes: number
  delivered: number
  faults: Partial<Record<FaultKind, number>>
}

export function noCounts(): SimCounts {
  return { seeds: 0, steps: 0, events: 0, requests: 0, crashes: 0, delivered: 0, faults: {} }
}

/** The shared part of a simulation: time, the disk, and the faults. */
export class World {
  readonly seed: number
  readonly scheduler: Scheduler
  readonly disk: SimDisk
  readonly counts: SimCounts = noCounts()
  /** Writes a line of the trace, if there is one. */
  readonly trace: Trace
  /** The request faults that happened: named by kind and request, so that a shorter run can leave one out. */
  readonly fired: string[] = []
  /** All faults have stopped: the end of the run. */
  healed = false
  /** The storage refuses writes for now. */
  refuses = false
  /** Called when the storage lost unflushed writes, which every open device has to report. */
  onLoss: () => void = () => undefined
  /** Called when the code under test made a request that no device allows. */
  onMisuse: (what: string) => void = (what) => {
    throw new Error(what)
  }
  readonly #rates: FaultRates
  readonly #without: ReadonlySet<string>

  constructor(
    seed: number,
    scheduler: Scheduler,
    disk: SimDisk,
    rates: FaultRates,
    without: ReadonlySet<string>,
    lines: string[] | undefined,
  ) {
    this.seed = seed
    this.scheduler = scheduler
    this.disk = disk
    this.#rates = rates
    this.#without = without
    this.trace = traceTo(lines, scheduler)
  }

  enabled(kind: FaultKind): boolean {
    return (this.#rates[kind] ?? 0) > 0
  }

  /** True if a fault happens to a request now. Draws from the stream in any case. */
  draws(kind: RequestFault, request: string, random: Random): boolean {
    const hit = random.float() < (this.#rates[kind] ?? 0)
    if (!hit || this.healed) return false
    const name = `${kind} ${request}`
    if (this.#without.has(name)) return false
    this.fired.push(name)
    return true
  }

  /** The storage refuses writes for a while. */
  refuse(random: Random): void {
    const ms = random.between(1, MOST_REFUSING_MS)
    if (this.refuses) return
    this.refuses = true
    this.scheduler.after(ms, () => {
      this.refuses = false
      return false
    })
  }

  /** Records a fault. */
  count(kind: FaultKind): void {
    this.counts.faults[kind] = (this.counts.faults[kind] ?? 0) + 1
  }
}
