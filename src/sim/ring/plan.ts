import type { Role } from '../../ring/roles.ts'
import {
  DEVICE_FAULTS,
  type DeviceFault,
  EVENT_FAULTS,
  type EventFault,
  type FaultKind,
  type FaultRates,
  type Mix,
} from '../world/faults.ts'
import { nameOf, Random } from '../world/random.ts'
import type { RingUnderTest, Shape } from './guarantees.ts'

/** About as many requests as attaching makes. */
const ATTACH_REQUESTS = 16
/** More than there are moments of one kind. */
const DEVICE_EVENT_IDS = 10_000
/** The part of the plans that are of a rarely needed kind. */
const RARE = 0.15

/** The size of an item: 3 or more are bytes, less than 1.01 is a part of the largest item. */
export type Size = number

/** A step of a producer. `part` is a fraction of what is possible: 0 is the least, 1 is all. */
export type ProducerStep =
  | { readonly id: number; readonly kind: 'append' | 'push'; readonly sizes: readonly Size[] }
  | { readonly id: number; readonly kind: 'advance'; readonly part: number }
  | { readonly id: number; readonly kind: 'state' | 'reattach' | 'restart' | 'second' }
  | { readonly id: number; readonly kind: 'zombie'; readonly sizes: readonly Size[] }
  | { readonly id: number; readonly kind: 'wait'; readonly ms: number }

/** A step of a consumer. `take` pops and advances, `head` pops at its own position. */
export type ConsumerStep =
  | { readonly id: number; readonly kind: 'pop' | 'take'; readonly max: number }
  | { readonly id: number; readonly kind: 'advance'; readonly part: number }
  | {
      readonly id: number
      readonly kind: 'head' | 'suspend' | 'resume' | 'state' | 'reattach' | 'restart' | 'second'
    }
  | { readonly id: number; readonly kind: 'zombie' }
  | { readonly id: number; readonly kind: 'wait'; readonly ms: number }

/** A call of `process`. */
export interface WorkStep {
  readonly id: number
  readonly kind: 'process'
  /** When it is stopped, in milliseconds. */
  readonly ms: number
  readonly concurrency: number
  /** The number of keys; 0: no order. */
  readonly keys: number
  readonly attempts: number
  readonly graceMs: number
  readonly heldBytes: number
  readonly untilEmpty: boolean
  /** True if there are dead letters, `requeueTo`, an attempt store. */
  readonly letters: boolean
  readonly requeues: boolean
  readonly counts: boolean
  readonly onUndecodable: 'deadLetter' | 'skip' | 'stop'
  /** Names the streams of the handlers. */
  readonly order: number
}

/**
 * A step of a reader. `through` acknowledges up to an entry, `rewind` goes back, with `all` also to what is
 * acknowledged.
 */
export type ReaderStep =
  | WorkStep
  | { readonly id: number; readonly kind: 'receive'; readonly max: number }
  | { readonly id: number; readonly kind: 'ack'; readonly part: number; readonly order: number }
  | { readonly id: number; readonly kind: 'through'; readonly part: number }
  | { readonly id: number; readonly kind: 'rewind'; readonly all: boolean }
  | { readonly id: number; readonly kind: 'flush' }
  | { readonly id: number; readonly kind: 'reattach' }
  | { readonly id: number; readonly kind: 'restart' }
  | { readonly id: number; readonly kind: 'wait'; readonly ms: number }

/** A reader, which replaces the consumer. */
export interface ReaderPlan {
  readonly maxUnacked: number
  readonly lazyAck: false | { readonly maxCalls: number; readonly maxDelayMs: number }
  /** One of this many items does not decode; 0: all do. */
  readonly undecodable: number
  readonly steps: readonly ReaderStep[]
}

/** A fault at a moment: this long after a role made this request of this step. */
export interface FaultEvent {
  readonly id: number
  readonly kind: EventFault | DeviceFault
  readonly role: Role
  readonly step: number
  readonly request: number
  /** Part of the request's time. */
  readonly part: number
}

/** A whole simulation: together with the seed of the streams, it determines everything. */
export interface Plan {
  readonly seed: number
  /** How the roles reach the disk: a name of `STORAGES`. */
  readonly device: string
  readonly shape: Shape
  readonly rates: FaultRates
  readonly producer: readonly ProducerStep[]
  readonly consumer: readonly ConsumerStep[]
  /** Replaces the consumer's steps, if a reader consumes. */
  readonly reader?: ReaderPlan
  readonly events: readonly FaultEvent[]
  /** The consumer's `onDamage`. */
  readonly onDamage: 'stop' | 'skip'
  /** True if there was another ring on the disk before. */
  readonly usedBefore: boolean
  /** Request faults that are left out, by name. */
  readonly without: readonly string[]
}

/** The faults that can happen in a plan. */
export function faultsOf(rates: FaultRates): ReadonlySet<FaultKind> {
  const kinds = Object.entries(rates).filter(([, rate]) => rate > 0)
  return new Set(kinds.map(([kind]) => kind as FaultKind))
}

/** The plan of a seed. */
export function planOf(
  seed: number,
  ring: RingUnderTest,
  mix: Mix,
  steps: number,
  device = 'disk',
): Plan {
  const stream = (name: string): Random => Random.of(seed, nameOf(name))
  const rates = ratesOf(stream('rates'), mix)
  const second = (rates.secondHandle ?? 0) > 0
  const producer = producerSteps(stream('producer plan'), steps, second)
  const reader = ring.reader && READER_PLANS[ring.reader](stream('reader plan'), steps)
  const consumer = reader === undefined ? consumerSteps(stream('consumer plan'), steps, second) : []
  const consuming = reader?.steps ?? consumer
  return {
    seed,
    device,
    shape: ring.shape(stream('shape'), (rates.tornSector ?? 0) > 0),
    rates,
    producer,
    consumer,
    ...(reader && { reader }),
    events: [
      ...events(stream('events'), rates, producer.length, consuming.length),
      ...DEVICE_FAULTS.flatMap((kind, at) => {
        const first = (at + 1) * DEVICE_EVENT_IDS
        return deviceEvents(
          stream(kind),
          kind,
          rates[kind] ?? 0,
          first,
          producer.length,
          consuming.length,
        )
      }),
    ],
    onDamage: stream('damage').pick(['stop', 'skip']),
    usedBefore: stream('use').chance(0.3),
    without: [],
  }
}

/** A swarm takes each fault with even odds, and at a rate of its own. */
function ratesOf(random: Random, mix: Mix): FaultRates {
  if (!mix.swarm) return mix.rates
  const rates: Partial<Record<FaultKind, number>> = {}
  for (const [kind, rate] of Object.entries(mix.rates)) {
    const chosen = random.chance(0.6)
    const part = random.pick([0.2, 0.5, 1, 1])
    if (chosen) rates[kind as FaultKind] = rate * part
  }
  return rates
}

function weights<K extends string>(
  random: Random,
  kinds: Readonly<Record<K, number>>,
): readonly (readonly [number, K])[] {
  return (Object.entries(kinds) as [K, number][]).map(([kind, weight]) => {
    return [weight * random.pick([0.2, 1, 1, 2]), kind] as const
  })
}

function producerSteps(random: Random, steps: number, second: boolean): readonly ProducerStep[] {
  // Each attach of a producer begins an epoch, and a slot has to store those that the consumer has not seen.
  const restless = random.chance(RARE)
  const kinds = weights(random, {
    append: 10,
    push: 4,
    advance: 5,
    state: 1,
    wait: 3,
    reattach: restless ? 20 : 1,
    restart: 0.5,
    second: second ? 1 : 0,
    zombie: second ? 1.5 : 0,
  })
  const large = random.pick([0.02, 0.1, 0.3])
  return Array.from({ length: steps }, (_, id): ProducerStep => {
    const kind = random.weighted(kinds)
    if (kind === 'append' || kind === 'push' || kind === 'zombie') {
      return { id, kind, sizes: sizes(random, large) }
    }
    if (kind === 'advance') return { id, kind, part: random.pick([0.3, 0.7, 1, 1]) }
    if (kind === 'wait') return { id, kind, ms: random.pick([1, 5, 12, 30]) }
    return { id, kind }
  })
}

function sizes(random: Random, large: number): readonly Size[] {
  const count = random.pick([1, 1, 1, 2, 3, 6])
  return Array.from({ length: count }, () => {
    if (random.chance(large)) return random.pick([0.3, 0.6, 0.9, 1])
    return random.pick([random.between(3, 20), random.between(20, 200), random.between(200, 900)])
  })
}

function consumerSteps(random: Random, steps: number, second: boolean): readonly ConsumerStep[] {
  const suspends = random.pick([0, 0.3, 1])
  const sleepy = random.chance(RARE)
  const kinds = weights(random, {
    take: 10,
    pop: 5,
    advance: 5,
    head: 1,
    wait: sleepy ? 20 : 3,
    suspend: suspends,
    resume: suspends * 2,
    state: 1,
    reattach: 1,
    restart: 0.5,
    second: second ? 1 : 0,
    zombie: second ? 1.5 : 0,
  })
  return Array.from({ length: steps }, (_, id): ConsumerStep => {
    const kind = random.weighted(kinds)
    if (kind === 'pop' || kind === 'take') return { id, kind, max: random.pick([1, 1, 2, 5, 100]) }
    if (kind === 'advance') return { id, kind, part: random.pick([0.3, 0.7, 1, 1]) }
    if (kind === 'wait') return { id, kind, ms: random.pick([1, 5, 12, sleepy ? 200 : 30]) }
    return { id, kind }
  })
}

function readerPlan(random: Random, steps: number): ReaderPlan {
  const maxUnacked = random.pick([2, 5, 20, 1000])
  const lazyAck = random.pick([false, false, { maxCalls: 3, maxDelayMs: 5 }] as const)
  const sleepy = random.chance(RARE)
  const kinds = weights(random, {
    receive: 12,
    ack: 12,
    through: 2,
    rewind: 1.5,
    flush: 1,
    wait: sleepy ? 20 : 3,
    reattach: 1,
    restart: 0.5,
  })
  const all = Array.from({ length: steps }, (_, id): ReaderStep => {
    const kind = random.weighted(kinds)
    if (kind === 'receive') return { id, kind, max: random.pick([1, 2, 3, 5, 30]) }
    if (kind === 'ack')
      return { id, kind, part: random.pick([0.2, 0.5, 0.8, 1]), order: random.next() }
    if (kind === 'through') return { id, kind, part: random.pick([0.3, 0.7, 1]) }
    if (kind === 'rewind') return { id, kind, all: random.chance(0.3) }
    if (kind === 'wait') return { id, kind, ms: random.pick([1, 5, 12, sleepy ? 200 : 30]) }
    return { id, kind }
  })
  return { maxUnacked, lazyAck, undecodable: 0, steps: all }
}

function workPlan(random: Random, steps: number): ReaderPlan {
  const maxUnacked = random.pick([2, 5, 20, 1000])
  const lazyAck = random.pick([false, false, { maxCalls: 3, maxDelayMs: 5 }] as const)
  const kinds = weights(random, { process: 10, wait: 2, reattach: 1, restart: 0.5 })
  // A call takes as long as several steps of a producer.
  const all = Array.from({ length: Math.ceil(steps / 2) }, (_, id): ReaderStep => {
    const kind = random.weighted(kinds)
    if (kind === 'wait') return { id, kind, ms: random.pick([1, 5, 12, 30]) }
    if (kind !== 'process') return { id, kind }
    const letters = random.chance(0.6)
    return {
      ...{ id, kind, ms: random.pick([5, 20, 50, 120]) },
      concurrency: random.pick([1, 2, 3, 8]),
      keys: random.pick([0, 0, 1, 3]),
      attempts: letters ? random.pick([1, 2, 5]) : random.pick([3, 100, 100]),
      graceMs: random.pick([0, 5, 40]),
      heldBytes: random.pick([1, 500, 1 << 20]),
      untilEmpty: random.chance(0.3),
      letters,
      requeues: random.chance(0.3),
      counts: random.chance(0.2),
      onUndecodable: random.pick(
        letters ? ['deadLetter', 'deadLetter', 'skip', 'stop'] : ['skip', 'stop'],
      ),
      order: random.next(),
    }
  })
  return { maxUnacked, lazyAck, undecodable: random.pick([0, 0, 3, 8]), steps: all }
}

/** How the steps of a reader are drawn. */
const READER_PLANS = { entries: readerPlan, work: workPlan }

function events(
  random: Random,
  rates: FaultRates,
  producerSteps: number,
  consumerSteps: number,
): readonly FaultEvent[] {
  const found: FaultEvent[] = []
  const losses = LOSSES.filter((kind) => (rates[kind] ?? 0) > 0)
  for (const role of ['producer', 'consumer'] as const) {
    const steps = role === 'producer' ? producerSteps : consumerSteps
    for (let step = 0; step < steps; step++) {
      for (const kind of EVENT_FAULTS) {
        if (!random.chance(((rates[kind] ?? 0) / 2) * (ownKill(kind, role) ? 2 : 1))) continue
        if (foreignKill(kind, role)) continue
        const request = random.pick([0, 0, 0, 1, 1, 2, 3, random.below(ATTACH_REQUESTS)])
        const part = random.float() * 1.1
        found.push({ id: found.length, kind, role, step, request, part })
        const later = random.between(1, 3)
        const then = { role, step: step + later, request: random.below(ATTACH_REQUESTS), part }
        // The cache of a dead process is lost soon, or the run would not show what that does.
        if (KILLS.includes(kind) && random.chance(0.5) && losses.length > 0) {
          found.push({ id: found.length, kind: random.pick(losses), ...then })
        }
      }
    }
  }
  const first = found.findIndex(({ kind }) => kind === 'rot')
  return rates.once === 1
    ? found.filter(({ kind }, index) => kind !== 'rot' || index === first)
    : found
}

/** The moments of one kind of fault between the hosts and the disk; `first` is the id of the first. */
function deviceEvents(
  random: Random,
  kind: DeviceFault,
  rate: number,
  first: number,
  producerSteps: number,
  consumerSteps: number,
): readonly FaultEvent[] {
  const found: FaultEvent[] = []
  for (const [role, steps] of [
    ['producer', producerSteps],
    ['consumer', consumerSteps],
  ] as const) {
    for (let step = 0; step < steps; step++) {
      if (!random.chance(rate / 2)) continue
      const request = random.pick([0, 0, 0, 1, 1, 2, 3, random.below(ATTACH_REQUESTS)])
      const part = random.float() * 1.1
      found.push({ id: first + found.length, kind, role, step, request, part })
    }
  }
  return found
}

const KILLS: readonly EventFault[] = ['killProducer', 'killConsumer', 'killBoth']
/** Moments at which the storage loses its cache. */
const LOSSES: readonly EventFault[] = ['power', 'reset', 'silentReset']

function ownKill(kind: EventFault, role: Role): boolean {
  return kind === (role === 'producer' ? 'killProducer' : 'killConsumer')
}

/** Kills of processes in the middle of their own requests. */
function foreignKill(kind: EventFault, role: Role): boolean {
  return kind === (role === 'producer' ? 'killConsumer' : 'killProducer')
}
