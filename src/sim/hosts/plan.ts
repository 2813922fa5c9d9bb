import { RENEWED_PART } from '../../ring/format2/lease/time.ts'
import { nameOf, Random } from '../world/random.ts'
import type { PauseKind } from './host.ts'

/** How slow the storage is. */
export interface Speed {
  /** Longest one-way delay of a request that is not held up, in milliseconds. */
  readonly usualMs: number
  /** How probable it is that a request is held up. */
  readonly lateChance: number
  /** How long, in milliseconds, at most. */
  readonly lateMs: number
}

/** How fast a host's clocks may be: leases tolerate that the slower of two counts 4 while the faster counts 5. */
export const CLOCK_RATES: { readonly slowest: number; readonly fastest: number } = {
  slowest: 8 / 9,
  fastest: 10 / 9,
}

/** What happens to a host: it is paused or cut off, its process ends, its wall clock is set, or a request is late. */
export type MishapKind = PauseKind | 'cut' | 'kill' | 'forward' | 'back' | 'late'

/** Something that happens to a host. */
export interface Mishap {
  /** Milliseconds since the beginning. */
  readonly atMs: number
  /** Which host, from 0 on. */
  readonly host: number
  readonly what: MishapKind
  /** How long it lasts, or how far the clock is set, in milliseconds. */
  readonly ms: number
  /**
   * In the middle of which of the host's next requests it happens: any, one that writes its lease, or one that reads it
   * for a renewal.
   */
  readonly amid?: 'request' | 'lease' | 'renewal'
  /** How much later that request arrives than it would, in milliseconds. */
  readonly lateMs: number
}

/** A mishap as text. */
export function describe({ host, what, ms, amid, lateMs }: Mishap): string {
  const long = ms > 0 ? ` ${ms} ms` : ''
  const when = amid === undefined ? '' : ` amid its next ${amid}, which is ${lateMs} ms late`
  return `host-${host} ${what}${long}${when}`
}

/** What a program with write access writes over the record of a lease. */
export const FORGERIES = ['owner', 'timeout', 'counter', 'epoch', 'copy', 'held'] as const

/** When that happens. */
export interface Forgery {
  /** Milliseconds since the beginning. */
  readonly atMs: number
  readonly what: (typeof FORGERIES)[number]
}

/** The traits of a host. */
export interface HostTraits {
  /** Of its lease, in milliseconds. */
  readonly timeoutMs: number
  /** Milliseconds that its monotonic clock counts in one. */
  readonly rate: number
  /** The same of its wall clock. */
  readonly wallRate: number
  /** When it first tries to take the role, in milliseconds. */
  readonly beginsMs: number
}

/** A run of hosts that compete for one role: together with the seed of the streams, it determines everything. */
export interface HostsPlan {
  readonly seed: number
  readonly hosts: readonly HostTraits[]
  /** True if a host that takes over fences the holder. */
  readonly fenced: boolean
  /** How probable it is that a fence fails. */
  readonly fenceFails: number
  /** How long a fence takes at most, in milliseconds. */
  readonly fenceMs: number
  /** How long a host waits at most before it begins again, in milliseconds. */
  readonly restartMs: number
  /** How long a process whose lease is over waits before it closes its handle, in milliseconds. */
  readonly lingerMs: number
  /** All hosts have the same name, against the rules. */
  readonly sameName: boolean
  /** A restarted host takes over at once from its own earlier run. */
  readonly reclaim: boolean
  readonly speed: Speed
  readonly mishaps: readonly Mishap[]
  /** Forged records. An operator breaks the lease that they leave behind, once mishaps have ended. */
  readonly forgeries?: readonly Forgery[]
  /** How long mishaps happen, in milliseconds. */
  readonly troubleMs: number
  /** When all late requests have arrived: soon after that, some host has to be working. */
  readonly calmMs: number
}

/** What `--mix` takes for leases: `swarm` and `each` draw one of the others for each seed. */
export const HOSTS_MIXES = {
  any: 'everything that may befall hosts',
  drift:
    'clocks at the bounds of what leases bear, renewals that are late, and fences that take no time',
  race: 'the same clocks, and hosts that are all after the role with storage that is about too slow',
  hostile: 'forged records: names nobody has, huge times and counters, the record of another ring',
} as const

/** The longest duration of anything that happens to a host or a request, in milliseconds. */
const MOST_MS = { pause: 90_000, late: 60_000 } as const

const MIX_OF_SEED = ['any', 'any', 'drift', 'race'] as const

/**
 * Draws a run.
 * @throws {RangeError} there is no such mix
 */
export function hostsPlanOf(seed: number, mix: string): HostsPlan {
  const wanted = mix === 'swarm' || mix === 'each' ? MIX_OF_SEED[seed % MIX_OF_SEED.length] : mix
  const random = Random.of(seed, nameOf('hosts'))
  if (wanted === 'any') return anyPlan(seed, random)
  if (wanted === 'drift') return driftPlan(seed, random)
  if (wanted === 'race') return racePlan(seed, random)
  if (wanted === 'hostile') return hostilePlan(seed, random)
  const names = Object.keys(HOSTS_MIXES).join(', ')
  throw new RangeError(`no mix ${mix} of leases; known are ${names}, swarm, each`)
}

/**
 * Without fences, no host has a pause that stops both its clocks, nor one that stops one clock while the other is set
 * back: leases do not tolerate that.
 */
function anyPlan(seed: number, random: Random): HostsPlan {
  const fenced = random.chance(0.5)
  const kinds: MishapKind[] = ['stop', 'cut', 'kill', 'forward', 'late']
  kinds.push(random.pick(['sleep', 'back']))
  if (fenced) kinds.push('freeze')
  const timeoutMs = random.between(5, 30) * 1000
  const hosts = Array.from({ length: random.between(2, 3) }, () => ({
    timeoutMs,
    rate: anyRate(random),
    wallRate: anyRate(random),
    beginsMs: 0,
  }))
  const troubleMs = 120_000
  return {
    seed,
    hosts,
    fenced,
    fenceFails: random.chance(0.5) ? 0.5 : 0,
    fenceMs: random.pick([0, 20_000]),
    restartMs: 4000,
    lingerMs: 0,
    sameName: !fenced && random.chance(0.3),
    reclaim: random.chance(0.3),
    speed: random.pick([
      { usualMs: 5, lateChance: 0, lateMs: 0 },
      { usualMs: 20, lateChance: 0.02, lateMs: 3000 },
      { usualMs: 50, lateChance: 0.02, lateMs: 60_000 },
      { usualMs: 300, lateChance: 0.1, lateMs: 10_000 },
    ]),
    mishaps: random.chance(0.2) ? [] : mishapsOf(random, hosts.length, kinds, troubleMs),
    troubleMs,
    calmMs: troubleMs + MOST_MS.pause + MOST_MS.late,
  }
}

/**
 * A holder with slow clocks, whose second renewal is late although everything else arrives, or the read for it; and
 * others with fast clocks that begin to watch its record just after the first: a host that takes over too early meets a
 * running holder. One of these may have its wall clock set forward meanwhile.
 */
function driftPlan(seed: number, random: Random): HostsPlan {
  const timeoutMs = 30_000
  const [slow, ...fast] = atBounds(random, timeoutMs)
  const renewedMs = (timeoutMs * RENEWED_PART) / slow.rate
  const watching = fast.map((host) => ({ ...host, beginsMs: renewedMs + random.below(1000) }))
  const atMs = renewedMs + 2000
  const mishaps: Mishap[] = [lateLease(atMs, 1.5 * timeoutMs)]
  if (random.chance(0.5)) {
    mishaps.push({ atMs, host: 1, what: 'forward', ms: 2 * timeoutMs, lateMs: 0 })
  }
  const isReadLate = random.chance(0.5)
  if (isReadLate) {
    // It arrives after the lease is over, and before any other host may take it.
    mishaps.push({ atMs, host: 0, what: 'late', ms: 0, amid: 'renewal', lateMs: 0.7 * timeoutMs })
  }
  const lingerMs = isReadLate ? 5000 : 0
  return { ...still(seed, [slow, ...watching], 70_000), lingerMs, mishaps }
}

/**
 * Hosts that all try to take a free role; the one with slow clocks is too late, or just in time. Its lease is
 * long enough that the others do not renew theirs before it relies on its own.
 */
function racePlan(seed: number, random: Random): HostsPlan {
  const hosts = atBounds(random, 30_000)
  const lateMs = random.chance(0.5) ? random.between(2200, 2300) : random.between(1500, 8000)
  return {
    ...still(seed, hosts, 15_000),
    fenced: random.chance(0.5),
    reclaim: random.chance(0.5),
    mishaps: [lateLease(0, lateMs)],
  }
}

/** Hosts that die and are cut off, with fences, while somebody forges the record of their lease. */
function hostilePlan(seed: number, random: Random): HostsPlan {
  const troubleMs = 60_000
  const host = (): HostTraits => ({
    timeoutMs: 10_000,
    rate: anyRate(random),
    wallRate: anyRate(random),
    beginsMs: 0,
  })
  const hosts = Array.from({ length: random.between(2, 3) }, host)
  return {
    ...still(seed, hosts, troubleMs + MOST_MS.pause + MOST_MS.late),
    restartMs: 4000,
    mishaps: mishapsOf(random, hosts.length, ['kill', 'cut', 'stop'], troubleMs),
    troubleMs,
    forgeries: Array.from({ length: random.between(1, 4) }, () => ({
      atMs: random.below(troubleMs),
      what: random.pick(FORGERIES),
    })),
  }
}

/** Hosts without mishaps, on fast storage, and fences that take no time. */
function still(seed: number, hosts: readonly HostTraits[], calmMs: number): HostsPlan {
  return {
    seed,
    hosts,
    fenced: true,
    fenceFails: 0,
    fenceMs: 0,
    restartMs: 0,
    lingerMs: 0,
    sameName: false,
    reclaim: false,
    speed: { usualMs: 1, lateChance: 0, lateMs: 0 },
    mishaps: [],
    troubleMs: calmMs,
    calmMs,
  }
}

/** The next write of the first host's lease is late. */
function lateLease(atMs: number, lateMs: number): Mishap {
  return { atMs, host: 0, what: 'late', ms: 0, amid: 'lease', lateMs }
}

/** One host with the slowest tolerated clocks, and one or two with the fastest. */
function atBounds(random: Random, timeoutMs: number): [HostTraits, ...HostTraits[]] {
  const { slowest, fastest } = CLOCK_RATES
  const host = (rate: number): HostTraits => ({ timeoutMs, rate, wallRate: rate, beginsMs: 0 })
  return [host(slowest), ...Array.from({ length: random.between(1, 2) }, () => host(fastest))]
}

function anyRate(random: Random): number {
  const { slowest, fastest } = CLOCK_RATES
  const between = slowest + (fastest - slowest) * random.float()
  return random.pick([slowest, fastest, between, between])
}

function mishapsOf(
  random: Random,
  hosts: number,
  kinds: readonly MishapKind[],
  troubleMs: number,
): Mishap[] {
  const mishaps: Mishap[] = []
  for (let left = random.between(1, 10); left > 0; left--) {
    const before = mishaps.at(-1)
    // Faults seldom come singly. At the beginning all hosts want the role.
    const target =
      before !== undefined && random.chance(0.4)
        ? { host: before.host, atMs: Math.min(before.atMs + random.below(20_000), troubleMs) }
        : { host: random.below(hosts), atMs: random.chance(0.2) ? 0 : random.below(troubleMs) }
    const amid = random.pick([undefined, 'request', 'lease', 'lease'] as const)
    mishaps.push({
      ...target,
      what: random.pick(kinds),
      ms: random.between(1, MOST_MS.pause / 1000) * 1000,
      ...(amid && { amid }),
      lateMs: random.chance(0.5) ? random.below(MOST_MS.late) : 0,
    })
  }
  return mishaps
}
