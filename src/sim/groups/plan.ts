import type { FaultKind, FaultRates } from '../world/faults.ts'
import { nameOf, Random } from '../world/random.ts'

/** The traits of a member, which is a program of its own in production. */
export interface MemberTraits {
  /** Which machine it is on. */
  readonly host: number
  /** When it joins first. */
  readonly joinsMs: number
  /** True if it calls `process`, or receives and acknowledges by hand, in any order. */
  readonly how: 'process' | 'receive'
  /** Items that it handles at the same time. */
  readonly concurrency: number
  readonly lazyAck: boolean
}

/**
 * Something that happens at a time, or in the middle of the first request that its victim makes from then on. `killAll`
 * ends all members within a second. In a `hang` the process runs nothing for a while, as when it is stopped or swapped
 * out.
 */
export interface GroupEvent {
  readonly id: number
  readonly kind: 'leave' | 'abandon' | 'kill' | 'killAll' | 'hang' | 'killProducer' | 'power'
  /** Which member, or producer. */
  readonly victim: number
  readonly atMs: number
  readonly amid: boolean
  /** Part of the request's time. */
  readonly part: number
  /** How long it hangs, or how long until it is back. */
  readonly ms: number
}

/** A run of a group: together with the seed of the streams, it determines everything. */
export interface GroupsPlan {
  readonly seed: number
  readonly sectorSize: number
  /** Rings that are partitions of a disk, or of a pool on it. */
  readonly layout: 'list' | 'pool'
  readonly rings: number
  /** Each with rings and keys of its own. */
  readonly producers: number
  readonly keys: number
  /** How long a producer pauses, at most. */
  readonly pauseMs: number
  /** True if the members are on machines of their own, and lease their rings. */
  readonly hosts: boolean
  readonly checkIntervalMs: number
  readonly members: readonly MemberTraits[]
  readonly rates: FaultRates
  readonly events: readonly GroupEvent[]
  /** When faults end. */
  readonly troubleMs: number
  /** Request faults that are left out, by name. */
  readonly without: readonly string[]
}

interface GroupsMix {
  readonly what: string
  /** Of single requests. */
  readonly rates: FaultRates
  /** Moments, for each member and second. */
  readonly events: Readonly<Partial<Record<GroupEvent['kind'], number>>>
  readonly hosts?: boolean
}

const EIO: FaultRates = { readError: 0.002, writeError: 0.006 }

/** What `--mix` takes for groups: `swarm` and `each` draw one of them for each seed. */
export const GROUPS_MIXES: Readonly<Record<string, GroupsMix>> = {
  none: { what: 'members that come and go', rates: {}, events: { leave: 0.3 } },
  kill: {
    what: 'members and producers that are killed',
    rates: {},
    events: { kill: 0.25, killProducer: 0.1, leave: 0.1, abandon: 0.05 },
  },
  storm: {
    what: 'all members die within a second',
    rates: {},
    events: { killAll: 0.08, kill: 0.05 },
  },
  power: {
    what: 'kills and power cuts',
    rates: {},
    events: { kill: 0.15, power: 0.06, killProducer: 0.05 },
  },
  hang: { what: 'members that stand still', rates: {}, events: { hang: 0.3, kill: 0.1 } },
  eio: { what: 'requests that fail', rates: EIO, events: { kill: 0.05, leave: 0.1 } },
  hosts: {
    what: 'members on two machines, with leases and fences',
    rates: {},
    events: { kill: 0.06, hang: 0.05, leave: 0.05 },
    hosts: true,
  },
  honest: {
    what: 'everything that a machine may do',
    rates: EIO,
    events: { kill: 0.1, power: 0.03, hang: 0.1, leave: 0.1, killProducer: 0.05, abandon: 0.03 },
  },
}

const SWARM = ['kill', 'hang', 'storm', 'none', 'power', 'eio', 'kill', 'hosts', 'honest']
const TROUBLE_MS = 6000
const HOSTS_TROUBLE_MS = 20_000

/**
 * Draws a run.
 * @throws {RangeError} there is no such mix
 */
export function groupsPlanOf(seed: number, mix: string): GroupsPlan {
  const name = mix === 'swarm' || mix === 'each' ? (SWARM[seed % SWARM.length] as string) : mix
  const chosen = GROUPS_MIXES[name]
  if (chosen === undefined) {
    const known = [...Object.keys(GROUPS_MIXES), 'swarm', 'each'].join(', ')
    throw new RangeError(`no mix ${mix} of groups; known are ${known}`)
  }
  const stream = (what: string): Random => Random.of(seed, nameOf(what))
  const random = stream('group')
  const hosts = chosen.hosts === true
  const producers = random.between(1, 2)
  const rings = random.between(producers, 7)
  const troubleMs = hosts ? HOSTS_TROUBLE_MS : TROUBLE_MS
  const members = Array.from({ length: random.between(2, 4) }, (_, at): MemberTraits => {
    const own = stream(`member ${at}`)
    return {
      host: hosts ? at % 2 : 0,
      joinsMs: own.pick([0, 0, own.below(300), own.below(troubleMs / 2)]),
      how: own.pick(['process', 'process', 'receive']),
      concurrency: own.pick([1, 2, 4, 8]),
      lazyAck: own.chance(0.3),
    }
  })
  return {
    seed,
    sectorSize: random.pick([512, 512, 4096]),
    layout: random.pick(['list', 'pool']),
    rings,
    producers,
    keys: random.between(rings, 3 * rings),
    pauseMs: random.pick([10, 40, 150]) * (hosts ? 3 : 1),
    hosts,
    checkIntervalMs: random.pick([500, 500, 200]),
    members,
    rates: chosen.rates,
    events: eventsOf(stream('events'), chosen.events, members.length, producers, troubleMs),
    troubleMs,
    without: [],
  }
}

function eventsOf(
  random: Random,
  rates: GroupsMix['events'],
  members: number,
  producers: number,
  troubleMs: number,
): readonly GroupEvent[] {
  const found: GroupEvent[] = []
  for (const [kind, rate] of Object.entries(rates) as [GroupEvent['kind'], number][]) {
    const count = (rate * members * troubleMs) / 1000
    for (let left = count; left > 0; left--) {
      if (left < 1 && !random.chance(left)) continue
      found.push({
        id: found.length,
        kind,
        victim: random.below(kind === 'killProducer' ? producers : members),
        atMs: random.float() * troubleMs,
        amid: random.chance(0.5),
        part: random.float() * 1.1,
        ms: random.pick([10, 100, 600, 1500, kind === 'hang' ? 9000 : 3000]) * random.float(),
      })
    }
  }
  return found
}

/** The kinds of faults that can happen in a plan, for its report. */
export function kindsOf(plan: GroupsPlan): readonly string[] {
  const kinds = Object.keys(plan.rates) as FaultKind[]
  return [...new Set([...kinds, ...plan.events.map(({ kind }) => kind)])]
}
