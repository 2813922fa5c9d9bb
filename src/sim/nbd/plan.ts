import type { LinkTraits } from '../net/pipe.ts'
import { nameOf, Random } from '../random.ts'
import type { ServerTraits } from './session.ts'

/** How a client uses a server, what that can do, and what is between them. */
export interface NbdTraits {
  readonly connections: number
  readonly maxInFlight: number
  readonly durability: 'auto' | 'flush'
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly server: ServerTraits
  readonly link: LinkTraits
  /** Whether programs use other parts of the device in the roles' processes. */
  readonly neighbours: boolean
}

/** Draws the traits of a seed. */
export function nbdTraitsOf(seed: number, slow: boolean): NbdTraits {
  const random = Random.of(seed, nameOf('nbd'))
  const structured = random.chance(0.5)
  return {
    connections: random.pick([1, 1, 2, 4]),
    maxInFlight: random.pick([1, 1, 2, 4, 64]),
    durability: random.pick(['auto', 'auto', 'flush']),
    requestTimeoutMs: random.pick([200, 1000]),
    connectTimeoutMs: random.pick([100, 400]),
    server: {
      fua: random.chance(0.6),
      multiConn: random.chance(0.7),
      writeZeroes: random.chance(0.7),
      trim: random.chance(0.5),
      structured,
      maximum: random.pick([4096, 4096, 8192, 65536]),
      parallel: random.pick([1, 4, 16]),
    },
    link: {
      latencyMs: random.pick([0.05, 0.05, 0.3, 2]),
      bytesPerMs: slow ? random.pick([4, 16, 64]) : random.pick([2000, 100_000]),
      segmentBytes: random.pick([536, 1460, 65536]),
      windowBytes: random.pick([1024, 16384, 65536]),
    },
    neighbours: random.chance(0.75),
  }
}
