import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import type { RingStats } from '../ring/inspection.ts'
import type { LeaseState, UnreadableLease } from '../ring/lease-types.ts'
import { namesIn } from '../ring/names.ts'
import { fillOf } from '../ring/report/fill-and-age.ts'
import { ROLES, type Role } from '../ring/roles.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { type MetricFamily, PREFIX } from './family.ts'
import { labelText } from './label.ts'
import { type RingSurvey, surveyRing } from './survey.ts'

type Labels = Readonly<Record<string, string>>
type Sample = readonly [value: number | boolean, labels?: Labels]

/** A metric of a ring. */
interface RingMetric extends Pick<MetricFamily, 'help'> {
  /** Without the prefix. */
  readonly name: string
  readonly type: 'gauge' | 'counter'
  /** The samples; an unknown value has none. */
  readonly samples: (ring: RingSurvey) => readonly Sample[]
}

/** Options of {@link collect}. */
export interface CollectOptions {
  /** The label `device`. Default: the device's name. */
  readonly name?: string
  /** Ends the call between two reads. */
  readonly signal?: AbortSignal
}

const KINDS: OptionKinds<CollectOptions> = { name: 'string', signal: 'signal' }
const LEASE_STATUSES = ['never', 'free', 'held', 'damaged', 'unreadable'] as const

/**
 * The metrics of a ring, without taking a role: depth, capacity, fill, when the oldest item was pushed, lag, counts
 * since the ring was made, suspension, holders on this machine, leases. Works while both sides run, and changes
 * nothing. An unknown value has no sample, and `shared_block_ring_known` says so.
 * @throws {RingError} as `inspectRing`
 * @throws {BlockError} as the device throws it
 * @throws the signal's reason
 */
export async function collect(
  device: BlockDevice,
  options: CollectOptions = {},
): Promise<readonly MetricFamily[]> {
  checkDevice('collect', device)
  checkOptions('collect', options, KINDS)
  const { name = device.name, signal } = options
  return ringFamilies([await surveyRing(device, name, signal)])
}

/** A ring, or a device that could not be inspected. */
export type SurveyResult = RingSurvey | { readonly device: string; readonly error: unknown }

/** Metrics of rings, and of devices that could not be inspected. */
export function ringFamilies(rings: readonly SurveyResult[]): readonly MetricFamily[] {
  const seen = rings.filter((ring): ring is RingSurvey => 'state' in ring)
  const up: MetricFamily = {
    name: `${PREFIX}up`,
    type: 'gauge',
    help: 'Whether the device could be inspected.',
    samples: rings.map((ring) => sampleOf(ring, ['state' in ring])),
  }
  const families = METRICS.map(({ name, type, help, samples }) => ({
    name: `${PREFIX}${name}`,
    type,
    help,
    samples: seen.flatMap((ring) => samples(ring).map((sample) => sampleOf(ring, sample))),
  }))
  return [up, ...families]
}

function sampleOf(
  { device }: SurveyResult,
  [value, labels = {}]: Sample,
): MetricFamily['samples'][number] {
  const pairs = Object.entries({ device, ...labels }).map(([name, text]) => [name, labelText(text)])
  return { labels: Object.fromEntries(pairs), value: Number(value) }
}

const METRICS: readonly RingMetric[] = [
  {
    name: 'info',
    type: 'gauge',
    help: 'The format of the ring and, in format 2, what it was made with.',
    samples: ({ state: { format, ring } }) => [
      [
        1,
        {
          format: String(format),
          ...(ring !== undefined && { uuid: ring.uuid, name: ring.name, on_full: ring.onFull }),
        },
      ],
    ],
  },
  {
    name: 'known',
    type: 'gauge',
    help: 'Whether something is known; what is unknown has no sample.',
    samples: known,
  },
  {
    name: 'capacity_bytes',
    type: 'gauge',
    help: 'Size of the data area.',
    samples: ({ state }) => [[state.capacityBytes]],
  },
  {
    name: 'used_bytes',
    type: 'gauge',
    help: 'Part of the data area that is in use.',
    samples: ({ state }) => [[state.usedBytes]],
  },
  {
    name: 'fill_ratio',
    type: 'gauge',
    help: 'How full the data area is, from 0 to 1.',
    samples: ({ state }) => [[fillOf(state)]],
  },
  {
    name: 'waiting_items',
    type: 'gauge',
    help: 'Unacknowledged items (format 2).',
    samples: ({ state }) => one(state.waitingItems),
  },
  {
    name: 'waiting_bytes',
    type: 'gauge',
    help: 'Bytes of the unacknowledged items (format 2).',
    samples: ({ state }) => one(state.waitingBytes),
  },
  {
    name: 'oldest_item_timestamp_seconds',
    type: 'gauge',
    help: 'When the oldest unacknowledged item was pushed, by the clock of its producer: the age is time() minus this (format 2).',
    samples: ({ state }) => one(seconds(state.stats?.oldestAt)),
  },
  {
    name: 'lag_seconds',
    type: 'gauge',
    help: "Time from the push of the oldest unacknowledged item to the producer's last write; 0 without such an item (format 2).",
    samples: ({ state }) => one(seconds(state.stats?.lagMs)),
  },
  counter('committed_items', 'Items that became visible', ({ committedItems }) => committedItems),
  counter('committed_bytes', 'Bytes of these, modulo 2^48', ({ committedBytes }) => committedBytes),
  counter(
    'acknowledged_items',
    'Items acknowledged or skipped',
    ({ acknowledgedItems }) => acknowledgedItems,
  ),
  counter(
    'acknowledged_bytes',
    'Bytes of these, modulo 2^48',
    ({ acknowledgedBytes }) => acknowledgedBytes,
  ),
  counter('commits', 'Writes that committed items', ({ commits }) => commits),
  counter('full_pushes', 'Pushes that found no room', ({ fullPushes }) => fullPushes),
  counter('damaged_items', 'Damaged items that were skipped', ({ damagedItems }) => damagedItems),
  counter(
    'missed_items',
    'Items overwritten before they were acknowledged',
    ({ missedItems }) => missedItems,
  ),
  {
    name: 'unreadable_bytes',
    type: 'gauge',
    help: 'Bytes that the device failed to read; if there are any, the rest may be incomplete or out of date (format 2).',
    samples: ({ state }) => one(state.unreadable?.reduce((sum, { bytes }) => sum + bytes, 0)),
  },
  {
    name: 'suspend_requested',
    type: 'gauge',
    help: 'Whether the consumer asks the producer to pause.',
    samples: ({ state }) => [[state.consumer.suspend]],
  },
  {
    name: 'suspended',
    type: 'gauge',
    help: 'Whether the producer has granted the request to pause.',
    samples: ({ state }) => [[state.producer.suspendAck]],
  },
  {
    name: 'role_info',
    type: 'gauge',
    help: 'The names that the role last left on the device.',
    samples: ({ state }) =>
      ROLES.flatMap((role): readonly Sample[] => {
        const names = namesIn(state[role].text)
        return names === undefined ? [] : [[1, { role, ...names }]]
      }),
  },
  {
    name: 'role_held',
    type: 'gauge',
    help: 'Whether a process on this machine holds the role.',
    samples: ({ holders }) => (holders ? perRole((role) => holders[role] !== undefined) : []),
  },
  {
    name: 'role_written_timestamp_seconds',
    type: 'gauge',
    help: 'When the role last wrote its slot, by its clock; approximate while it runs (format 2).',
    samples: ({ state: { stats } }) =>
      stats === undefined ? [] : perRole((role) => stats[`${role}At`] / 1000),
  },
  {
    name: 'lease_state',
    type: 'gauge',
    help: 'The state of the lease: 1 for the one that it is in (format 2).',
    samples: ({ leases }) =>
      leases === undefined
        ? []
        : ROLES.flatMap((role) =>
            LEASE_STATUSES.map((state): Sample => [leases[role].status === state, { role, state }]),
          ),
  },
  {
    name: 'lease_info',
    type: 'gauge',
    help: 'The host that holds the lease, or held it last.',
    samples: ofRecords((record) => [1, { owner: record.owner }]),
  },
  {
    name: 'lease_timeout_seconds',
    type: 'gauge',
    help: 'How long the host that holds the lease may be silent.',
    samples: ofRecords((record) => [record.timeoutMs / 1000]),
  },
  {
    name: 'lease_written_timestamp_seconds',
    type: 'gauge',
    help: 'When the lease was last renewed or freed, by the clock of that host: the age is time() minus this.',
    samples: ofRecords((record) => [record.time / 1000]),
  },
  {
    name: 'lease_writes_total',
    type: 'counter',
    help: 'How often the lease was written: it grows while its host is alive, whatever the clocks say.',
    samples: ofRecords((record) => [record.counter]),
  },
  {
    name: 'lease_taken_total',
    type: 'counter',
    help: 'How often the role was taken.',
    samples: ofRecords((record) => [record.epoch]),
  },
]

function counter(name: string, help: string, read: (stats: RingStats) => number): RingMetric {
  return {
    name: `${name}_total`,
    type: 'counter',
    help: `${help}, since the ring was made (format 2).`,
    samples: ({ state: { stats } }) => (stats === undefined ? [] : [[read(stats)]]),
  }
}

function known({ state, leases, holders }: RingSurvey): readonly Sample[] {
  const { waitingItems, stats } = state
  const facts: Readonly<Record<string, boolean>> = {
    items: waitingItems !== undefined,
    oldest_item: waitingItems === 0 || stats?.oldestAt !== undefined,
    leases: leases !== undefined,
    holders: holders !== undefined,
  }
  return Object.entries(facts).map(([what, isKnown]) => [isKnown, { what }])
}

function one(value: number | undefined): readonly Sample[] {
  return value === undefined ? [] : [[value]]
}

function seconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : ms / 1000
}

function perRole(read: (role: Role) => number | boolean): readonly Sample[] {
  return ROLES.map((role) => [read(role), { role }])
}

type LeaseRecord = Extract<LeaseState | UnreadableLease, { readonly owner: string }>

function ofRecords(sample: (record: LeaseRecord) => Sample): RingMetric['samples'] {
  return ({ leases }) => {
    if (leases === undefined) return []
    return ROLES.flatMap((role): readonly Sample[] => {
      const lease = leases[role]
      if (!('owner' in lease)) return []
      const [value, labels] = sample(lease)
      return [[value, { role, ...labels }]]
    })
  }
}
