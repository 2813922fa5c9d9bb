import type { Broken } from './violation.ts'

/** How a seed is run. */
export interface SeedOptions {
  /** Name of the mix of faults. Default `swarm`: each seed draws one. */
  readonly mix?: string
  /** How the roles reach the disk, if that can differ: a name of `STORAGES`. Default `disk`. */
  readonly device?: string
  /** Steps of each role, if a run has steps. Default 50. */
  readonly steps?: number
}

/** The common part of outcomes. */
export interface SeedOutcome<C> {
  readonly plan: { readonly seed: number }
  readonly broken: Broken | undefined
  readonly counts: C
}

/** A simulation that `--format` names: it runs seeds, and counts. */
export interface Simulated<C, O extends SeedOutcome<C>> {
  readonly name: string
  /**
   * Checks that there is such a mix, and such a device.
   * @throws {RangeError} there is not
   */
  check(options: SeedOptions): void
  /** Counts that are all zero. */
  noCounts(): C
  /** Runs the plan of a seed. */
  runSeed(seed: number, options?: SeedOptions): Promise<O>
  /** Shrinks a failing run, and reports it with one command to replay it. */
  explain(failing: O, options?: SeedOptions): Promise<string>
  /** Counts for people, with rates per second. */
  summary(counts: C, seconds: number): string
}

/** Adds `more` to `sum`: counts, and counts of kinds such as `faults`. */
export function addCounts<C>(sum: C, more: C): void {
  const sums = sum as Record<string, unknown>
  for (const [name, count] of Object.entries(more as object)) {
    if (typeof count === 'number') sums[name] = Number(sums[name] ?? 0) + count
    else addCounts(sums[name], count)
  }
}

/** Which seeds to run, and how. */
export interface ExploreOptions extends SeedOptions {
  /** The first seed. Default 1. */
  readonly from?: number
  /** From each seed to the next. Default 1. */
  readonly stride?: number
  /** The most seeds to run. Default: until `until` returns true. */
  readonly seeds?: number
  /** Called after each seed: returns true to stop. */
  readonly until?: () => boolean
}

/** What exploring found: counts, and the first run that violated a guarantee, unshrunk. */
export interface Explored<C, O> {
  readonly counts: C
  readonly failing: O | undefined
}

/** Runs seeds until one violates a guarantee, or there are no more. */
export async function exploreSeeds<C, O extends SeedOutcome<C>>(
  what: Simulated<C, O>,
  options: ExploreOptions = {},
): Promise<Explored<C, O>> {
  const { from = 1, stride = 1, seeds = Number.POSITIVE_INFINITY, until } = options
  const counts = what.noCounts()
  for (let done = 0; done < seeds && until?.() !== true; done++) {
    const outcome = await what.runSeed(from + done * stride, options)
    addCounts(counts, outcome.counts)
    if (outcome.broken !== undefined) return { counts, failing: outcome }
  }
  return { counts, failing: undefined }
}
