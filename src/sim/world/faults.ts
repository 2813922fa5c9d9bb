/** Faults of single requests: each is a probability per request. */
export const REQUEST_FAULTS = [
  'readError',
  'writeError',
  'flushError',
  'lostWrite',
  'misdirectedWrite',
  'misdirectedRead',
  'staleRead',
  'stalePage',
  'tornRead',
] as const

/** Faults at a moment: each is a probability per step of the workload. */
export const EVENT_FAULTS = [
  'killProducer',
  'killConsumer',
  'killBoth',
  'power',
  'reset',
  'silentReset',
  'rot',
  'latent',
  'rollback',
] as const

/** Settings of a whole run: 0 or 1. */
export const SETTINGS = [
  'tornSector',
  'lateWrite',
  'noClaims',
  'otherHost',
  'secondHandle',
  'once',
  'slowLink',
] as const

/** Faults at a moment, between the hosts and the disk: each is a probability per step. */
export const DEVICE_FAULTS = ['refuse', 'disconnect', 'stall', 'serverKill', 'serverCut'] as const

/** Names of faults of single requests. */
export type RequestFault = (typeof REQUEST_FAULTS)[number]
/** Names of faults at a moment. */
export type EventFault = (typeof EVENT_FAULTS)[number]
/** Names of faults between the hosts and the disk. */
export type DeviceFault = (typeof DEVICE_FAULTS)[number]
/** Names of settings. */
export type Setting = (typeof SETTINGS)[number]

/**
 * The faults that the simulator knows.
 *
 * Requests:
 * - `readError`: EIO; some of the buffers are filled.
 * - `writeError`: EIO; none, part or all of the write happened, and none of it need be stable.
 * - `flushError`: EIO; each unflushed sector became stable, stayed in the cache, or was dropped from it. If any was
 *   dropped, the next flush of every open device fails too, as Linux does it.
 * - `lostWrite`: acknowledged, never happened. `misdirectedWrite`: happened elsewhere, is acknowledged.
 * - `misdirectedRead`: returns other sectors. `staleRead`: returns what a sector held before its last write.
 * - `stalePage`: this host's page cache returns what the host saw when it last read or wrote the sector.
 * - `tornRead`: a write is seen half done within a sector, by one read. (That multi-sector reads and writes are seen
 *   half done, and in any order, is no fault: it always happens.)
 *
 * Moments:
 * - `killProducer`, `killConsumer`: the process ends; what it had in flight happens, happens in part or does not,
 *   and its claim ends with it. `killBoth`: both at once, as when their host fails.
 * - `power`: all hosts and the storage; any subset of the unflushed physical sectors, in any of their versions, is
 *   kept. Half of the kills are soon followed by one, or by a reset of the storage, if there are any.
 * - `reset`: the storage loses its volatile cache while the hosts live on, and the next flush of each open
 *   device fails if that lost anything. `silentReset`: no flush tells.
 * - `rot`: a bit of the medium flips. `latent`: a physical sector is unreadable until it is written again.
 * - `rollback`: the whole disk is as it was some time ago.
 *
 * Moments between the hosts and the disk:
 * - `refuse`: for a while the device refuses writes.
 * - `disconnect`: a connection to a server is reset. `stall`: nothing passes over it for a while, one way or both.
 * - `serverKill`: a server's process ends, and another one begins; the disk keeps its cache. `serverCut`: its machine
 *   is without power for a while, without notice to the clients, and the disk loses its cache.
 *
 * Settings:
 * - `tornSector`: the physical sector is smaller than the logical one.
 * - `lateWrite`: what a killed producer had in flight may also land long after its successor began.
 * - `noClaims`: roles cannot be claimed. `otherHost`: producer and consumer are on different hosts.
 * - `secondHandle`: a second handle of the same role is used alongside the first, in turns.
 * - `once`: of the faults that damage the medium, only the first happens.
 * - `slowLink`: a link to a server is slow, and steady.
 */
export type FaultKind = RequestFault | EventFault | DeviceFault | Setting

/** The rates of faults; an absent one never happens. */
export type FaultRates = Readonly<Partial<Record<FaultKind, number>>>

/** The faults that a mix combines, and the highest rate of each. */
export interface Mix {
  readonly name: string
  readonly what: string
  readonly rates: FaultRates
  /** True if each seed takes a random subset of the faults at random rates. */
  readonly swarm: boolean
}

/** Kills of either role, and of both at once. */
export const KILLS: FaultRates = { killProducer: 0.06, killConsumer: 0.06, killBoth: 0.02 }
/** Kills, and power cuts. */
export const POWER: FaultRates = { ...KILLS, power: 0.05 }
const STORM: FaultRates = { killProducer: 0.15, killConsumer: 0.15, killBoth: 0.05, power: 0.3 }
/** Requests that fail. */
export const EIO: FaultRates = { readError: 0.02, writeError: 0.02, flushError: 0.05 }
/** Roles that cannot be claimed, or are on hosts of their own. */
export const APART: FaultRates = { noClaims: 1, otherHost: 1 }
const HONEST: FaultRates = {
  ...POWER,
  ...EIO,
  ...APART,
  tornRead: 0.2,
  tornSector: 1,
  secondHandle: 1,
}

/** A mix; `swarm` says whether each seed takes a random subset of it. */
export function makeMix(name: string, what: string, rates: FaultRates, swarm = true): Mix {
  return { name, what, rates, swarm }
}

/** The named mixes. */
export const MIXES: readonly Mix[] = [
  makeMix('none', 'no faults: only the order of things', APART),
  makeMix('kill', 'processes end at any await', { ...KILLS, ...APART }),
  makeMix('power', 'kills and power cuts', { ...POWER, ...APART }),
  makeMix('storm', 'many kills and power cuts', STORM, false),
  makeMix('eio', 'requests that fail', { ...EIO, ...APART }),
  makeMix('second', 'a second handle of the same role', {
    ...KILLS,
    secondHandle: 1,
    noClaims: 1,
  }),
  makeMix('reset', 'the storage loses its cache, and says so', { ...POWER, reset: 0.2 }),
  makeMix('honest', 'everything that a device may do without lying', {
    ...HONEST,
    reset: 0.03,
    refuse: 0.03,
  }),
  makeMix('tears', 'reads that see half a write within a sector', { tornRead: 1, ...APART }),
  makeMix('torn', 'power cuts that tear sectors', { ...STORM, tornSector: 1 }, false),
  makeMix('flip', 'one flipped bit', { ...POWER, rot: 0.1, once: 1 }, false),
  makeMix('late', 'writes of dead producers that land late', { ...POWER, ...APART, lateWrite: 1 }),
  makeMix('silent-reset', 'the storage loses its cache silently', { ...POWER, silentReset: 0.2 }),
  makeMix('rot', 'flipped bits and sectors that cannot be read', {
    rot: 0.03,
    latent: 0.03,
    ...POWER,
  }),
  makeMix('misdirect', 'requests that go elsewhere, or nowhere', {
    lostWrite: 0.01,
    misdirectedWrite: 0.01,
    misdirectedRead: 0.01,
    staleRead: 0.02,
    ...KILLS,
  }),
  makeMix('pages', 'page caches of two hosts', { stalePage: 0.3, otherHost: 1, ...POWER }),
  makeMix('rollback', 'the disk becomes an older copy of itself', { rollback: 0.03, ...POWER }),
  makeMix('all', 'everything', {
    ...HONEST,
    reset: 0.03,
    silentReset: 0.03,
    tornSector: 1,
    lateWrite: 1,
    rot: 0.02,
    latent: 0.02,
    rollback: 0.02,
    lostWrite: 0.01,
    misdirectedWrite: 0.01,
    misdirectedRead: 0.01,
    staleRead: 0.01,
    stalePage: 0.1,
    refuse: 0.02,
  }),
]

/** Mixes that `swarm` takes: mostly the one in which guarantees have to hold. */
export const SWARM: readonly string[] = [
  'honest',
  'honest',
  'honest',
  'power',
  'reset',
  'second',
  'eio',
  'tears',
]

/**
 * The mix with a name, for a seed: `swarm` and `each` draw another one for each seed.
 * @throws {RangeError} there is none
 */
export function mixOf(
  name: string,
  seed: number,
  { mixes, swarm }: { readonly mixes: readonly Mix[]; readonly swarm: readonly string[] },
): Mix {
  if (name === 'each') return mixes[seed % mixes.length] as Mix
  const wanted = name === 'swarm' ? swarm[seed % swarm.length] : name
  const found = mixes.find((mix) => mix.name === wanted)
  if (found !== undefined) return found
  const known = [...mixes.map((mix) => mix.name), 'swarm', 'each'].join(', ')
  throw new RangeError(`no mix ${name}; known are ${known}`)
}
