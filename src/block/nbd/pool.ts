import type { Connection } from './connection.ts'
import type { Status } from './exchange.ts'
import { Lane, type LaneOptions } from './lane.ts'
import type { Request } from './protocol.ts'

/** How a {@link Pool} works. */
export interface PoolOptions extends LaneOptions {
  /** How many connections there may be. */
  readonly connections: number
}

/** One or more connections to an export; requests go to the one with the least to do. */
export class Pool {
  readonly #options: PoolOptions
  readonly #first: Lane
  readonly #lanes: Lane[]

  constructor(options: PoolOptions, first: Connection) {
    this.#options = options
    this.#first = new Lane(options, first)
    this.#lanes = [this.#first]
  }

  /**
   * Does a request.
   * @throws {NbdFault}
   */
  request(request: Request): Promise<Status | undefined> {
    return this.#choose().request(request)
  }

  /** Ends all connections. No requests may be in flight. */
  async close(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close()))
  }

  #choose(): Lane {
    let least = this.#first
    for (const lane of this.#lanes) if (lane.load < least.load) least = lane
    if (least.load === 0 || this.#lanes.length === this.#options.connections) return least
    // Another connection is made only when there is use for it.
    const lane = new Lane(this.#options)
    this.#lanes.push(lane)
    return lane
  }
}
