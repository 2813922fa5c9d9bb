import type { FaultKind, FaultRates } from '../world/faults.ts'
import { nameOf, Random } from '../world/random.ts'

/** A step of a program. Rings are named by a number; `units` are of 64 KiB. */
export type PoolStep =
  | { readonly id: number; readonly kind: 'add'; readonly ring: number; readonly units: number }
  | {
      readonly id: number
      readonly kind: 'remove'
      readonly ring: number
      readonly discards: boolean
    }
  /** Opens a ring's device, pushes an item or takes all items, and closes it. */
  | { readonly id: number; readonly kind: 'put' | 'take'; readonly ring: number }
  /** Opens a ring's device and keeps it open; the next `putKept` pushes there, even if the ring was removed. */
  | { readonly id: number; readonly kind: 'keep'; readonly ring: number }
  | { readonly id: number; readonly kind: 'putKept' | 'list' | 'grow' | 'reopen' }
  | { readonly id: number; readonly kind: 'wait'; readonly ms: number }

/**
 * A fault that happens this long after a program made this request of this step, or the first one after it that writes
 * a copy of the directory. A change takes effect with its first copy.
 */
export interface PoolEvent {
  readonly id: number
  /** The program's process is killed; all power is cut; or the storage loses its cache, and says so. */
  readonly kind: 'kill' | 'power' | 'reset'
  readonly program: number
  readonly step: number
  readonly request: number
  /** Which copy: 0 or 1. */
  readonly amid?: number
  /** Part of the request's time. */
  readonly part: number
}

/**
 * A run of programs that change a pool and use its rings: together with the seed of the streams, it determines
 * everything.
 */
export interface PoolsPlan {
  readonly seed: number
  readonly sectorSize: number
  readonly physicalSectorSize: number
  /** Units of the device that rings can have, at first and after it has grown. */
  readonly units: number
  readonly grownUnits: number
  /** True if each program is on a host of its own, and leases what it changes and uses. */
  readonly hosts: boolean
  /** True if the device held a ring before, full of items. */
  readonly usedBefore: boolean
  /** Rings that exist from the start and stay: with enough of them, a change of the directory spans several sectors. */
  readonly stay: number
  readonly rates: FaultRates
  readonly programs: readonly (readonly PoolStep[])[]
  readonly events: readonly PoolEvent[]
  /** Request faults that are left out, by name. */
  readonly without: readonly string[]
}

/** The number of different names: few, so that programs compete for them. */
export const RING_NAMES = 4

interface PoolsMix {
  readonly what: string
  /** Of single requests. */
  readonly rates: FaultRates
  /** Moments, for each step. */
  readonly events: Readonly<Partial<Record<PoolEvent['kind'], number>>>
  readonly hosts?: boolean
  /** Sectors that a power cut can tear. */
  readonly torn?: boolean
}

const EIO: FaultRates = { readError: 0.01, writeError: 0.02, flushError: 0.04 }

/** What `--mix` takes for pools: `swarm` and `each` draw one of them for each seed. */
export const POOLS_MIXES: Readonly<Record<string, PoolsMix>> = {
  none: { what: 'no faults: only the order of things', rates: {}, events: {} },
  kill: { what: 'processes end at any await', rates: {}, events: { kill: 0.3 } },
  power: { what: 'kills and power cuts', rates: {}, events: { kill: 0.2, power: 0.2 } },
  torn: {
    what: 'power cuts that tear sectors',
    rates: {},
    events: { kill: 0.1, power: 0.3 },
    torn: true,
  },
  eio: { what: 'requests that fail', rates: EIO, events: { kill: 0.05 } },
  tears: {
    what: 'reads that see half a write within a sector',
    rates: { tornRead: 0.5 },
    events: {},
  },
  reset: {
    what: 'the storage loses its cache, and says so',
    rates: {},
    events: { kill: 0.15, reset: 0.2 },
  },
  hosts: {
    what: 'programs on hosts of their own, with leases and fences',
    rates: {},
    events: { kill: 0.15, power: 0.05 },
    hosts: true,
  },
  honest: {
    what: 'everything that a device may do without lying',
    rates: { ...EIO, tornRead: 0.2 },
    events: { kill: 0.1, power: 0.1, reset: 0.05 },
    torn: true,
  },
}

const SWARM = ['power', 'kill', 'power', 'torn', 'eio', 'reset', 'hosts', 'honest', 'tears']
const STEPS = 14

/**
 * Draws a run.
 * @throws {RangeError} there is no such mix
 */
export function poolsPlanOf(seed: number, mix: string, steps: number = STEPS): PoolsPlan {
  const name = mix === 'swarm' || mix === 'each' ? (SWARM[seed % SWARM.length] as string) : mix
  const chosen = POOLS_MIXES[name]
  if (chosen === undefined) {
    const known = [...Object.keys(POOLS_MIXES), 'swarm', 'each'].join(', ')
    throw new RangeError(`no mix ${mix} of pools; known are ${known}`)
  }
  const stream = (what: string): Random => Random.of(seed, nameOf(what))
  const random = stream('pool')
  const torn = chosen.torn === true && random.chance(0.7)
  const sectorSize = torn ? 4096 : random.pick([512, 512, 4096])
  const hosts = chosen.hosts === true
  const stay = random.pick([0, 0, 5])
  const units = stay + random.between(3, 6)
  const programs = Array.from({ length: random.between(1, 3) }, (_, at) =>
    stepsOf(stream(`program ${at}`), steps),
  )
  return {
    seed,
    sectorSize,
    physicalSectorSize: torn ? 512 : sectorSize,
    units,
    grownUnits: units + random.between(1, 3),
    hosts,
    usedBefore: random.chance(0.3),
    stay,
    rates: chosen.rates,
    programs,
    events: eventsOf(stream('events'), chosen.events, programs),
    without: [],
  }
}

function stepsOf(random: Random, steps: number): readonly PoolStep[] {
  const kinds = (
    [
      [6, 'add'],
      [5, 'remove'],
      [4, 'put'],
      [2, 'take'],
      [3, 'list'],
      [1, 'grow'],
      [1.5, 'keep'],
      [2, 'putKept'],
      [1, 'reopen'],
      [2, 'wait'],
    ] as const
  ).map(([weight, kind]) => [weight * random.pick([0.3, 1, 1, 2]), kind] as const)
  return Array.from({ length: steps }, (_, id): PoolStep => {
    const kind = random.weighted(kinds)
    const ring = random.below(RING_NAMES)
    if (kind === 'add') return { id, kind, ring, units: random.pick([1, 1, 2]) }
    if (kind === 'remove') return { id, kind, ring, discards: random.chance(0.5) }
    if (kind === 'wait') return { id, kind, ms: random.pick([1, 5, 12, 30]) }
    if (kind === 'put' || kind === 'take' || kind === 'keep') return { id, kind, ring }
    return { id, kind }
  })
}

const LOSSES = ['power', 'reset'] as const

function eventsOf(
  random: Random,
  rates: PoolsMix['events'],
  programs: readonly (readonly PoolStep[])[],
): readonly PoolEvent[] {
  const found: PoolEvent[] = []
  for (const [program, steps] of programs.entries()) {
    // Step -1 opens the pool, and makes it.
    for (let step = -1; step < steps.length; step++) {
      for (const [kind, rate] of Object.entries(rates) as [PoolEvent['kind'], number][]) {
        if (!random.chance(rate)) continue
        const at = (step: number, within = random.chance(0.5)): Omit<PoolEvent, 'kind'> => ({
          ...{ id: found.length, program, step, part: random.float() * 1.1 },
          request: within ? 0 : random.pick([0, 1, 2, 3, random.below(12), random.below(40)]),
          ...(within && { amid: random.pick([0, 0, 1]) }),
        })
        found.push({ ...at(step), kind })
        // The cache of a dead program is lost soon, or the run would not show what that does.
        const loss = LOSSES.find((each) => (rates[each] ?? 0) > 0)
        if (kind !== 'kill' || loss === undefined || random.chance(0.5)) continue
        found.push({ ...at(step + random.between(1, 2)), kind: loss })
      }
    }
  }
  return found
}

/** The kinds of faults that can happen in a plan, for its report. */
export function kindsOf(plan: PoolsPlan): readonly string[] {
  const kinds = Object.keys(plan.rates) as FaultKind[]
  return [...new Set([...kinds, ...plan.events.map(({ kind }) => kind)])]
}
