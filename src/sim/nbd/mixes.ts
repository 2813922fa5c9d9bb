import {
  APART,
  EIO,
  type FaultKind,
  type FaultRates,
  KILLS,
  type Mix,
  makeMix,
  POWER,
} from '../world/faults.ts'

const LINKS: FaultRates = { disconnect: 0.15, stall: 0.1 }
const SERVERS: FaultRates = { serverKill: 0.1, serverCut: 0.3 }

/** The named mixes of rings on a server. */
export const NBD_MIXES: readonly Mix[] = [
  makeMix('none', 'no faults: only the order of things', APART),
  makeMix('slow', 'links that are slow, and steady', { slowLink: 1 }, false),
  makeMix('kill', 'processes end at any await', { ...KILLS, ...APART }),
  makeMix('power', 'kills and power cuts', { ...POWER, ...APART }),
  makeMix('eio', 'requests that fail', { ...EIO, ...APART }),
  makeMix('reset', 'the storage loses its cache, and says so', { ...KILLS, reset: 0.1 }),
  makeMix('refuse', 'a server that takes no writes for a while', { ...KILLS, refuse: 0.1 }),
  makeMix('links', 'connections that are reset, and stall', LINKS, false),
  makeMix('servers', 'servers that end, and lose what they have not flushed', SERVERS, false),
  makeMix('honest', 'everything that servers and links do without lying', {
    ...LINKS,
    ...SERVERS,
    ...EIO,
    ...POWER,
    reset: 0.03,
    refuse: 0.03,
    slowLink: 1,
    ...APART,
  }),
  makeMix('late', 'what was sent arrives, whatever becomes of the sender', {
    ...LINKS,
    ...SERVERS,
    ...KILLS,
    lateWrite: 1,
  }),
]

/** Mixes that `swarm` takes. */
export const NBD_SWARM: readonly string[] = [
  'honest',
  'honest',
  'servers',
  'links',
  'power',
  'none',
]

/** Faults that end a client's connection, or make it late. */
export const BREAKS: readonly FaultKind[] = [
  'disconnect',
  'stall',
  'serverKill',
  'serverCut',
  'power',
]
