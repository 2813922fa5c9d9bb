import type { LinkTraits } from '../net/pipe.ts'
import { nameOf, Random } from '../world/random.ts'
import type { ServerTraits } from './session.ts'

/** How a client uses a server, what the server can do, and the link between them. */
export interface NbdTraits {
  readonly connections: number
  readonly maxInFlight: number
  readonly durability: 'auto' | 'flush'
  readonly requestTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly server: ServerTraits
  readonly link: LinkTraits
  /** True if programs use other parts of the device in the roles' processes. */
  readonly neighbours: boolean
}

/**
 * Draws the traits of a seed. A slow link moves a few bytes per millisecond, and less in its window than would make it
 * silent for as long as a request may wait while nothing moves; a call takes longer than that.
 */
export function nbdTraitsOf(seed: number, slow: boolean): NbdTraits {
  const random = Random.of(seed, nameOf('nbd'))
  const structured = random.chance(0.5)
  return {
    connections: random.pick([1, 1, 2, 4]),
    maxInFlight: random.pick([1, 1, 2, 4, 64]),
    durability: random.pick(['auto', 'auto', 'flush']),
    requestTimeoutMs: random.pick(slow ? [3000, 8000] : [200, 1000]),
    connectTimeoutMs: random.pick(slow ? [4000] : [100, 400]),
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
      bytesPerMs: random.pick(slow ? [4, 16] : [2000, 100_000]),
      segmentBytes: random.pick(slow ? [536, 1460] : [536, 1460, 65536]),
      windowBytes: random.pick(slow ? [1460, 4096] : [1024, 16384, 65536]),
    },
    neighbours: random.chance(0.75),
  }
}
