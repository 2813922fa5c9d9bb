import type { Permit } from '../../permit.ts'
import { lengthOf } from '../io/transfer.ts'
import type { Engine, VectoredCall } from './engine.ts'
import { turn } from './event-loop-slice.ts'

/** Milliseconds after which a call was slow. */
const SLOW_MS = 2

/** Quick calls in a row after which the disk counts as quick again. */
const TRUSTED_CALLS = 32

/** Larger transfers take long on any disk, and gain least from a blocking call. */
const MAX_SMALL_BYTES = 1 << 16

/**
 * Makes small calls synchronously while the disk is quick. A slow call blocks the event loop once: later calls go to
 * the pool, until enough of them in a row were quick.
 */
export class AdaptiveEngine implements Engine {
  readonly #sync: Engine
  readonly #pool: Engine
  readonly #now: () => number
  #quickCalls = 0
  #unflushedBytes = 0

  /** `now`: milliseconds since some fixed moment. */
  constructor(sync: Engine, pool: Engine, now: () => number = () => performance.now()) {
    this.#sync = sync
    this.#pool = pool
    this.#now = now
  }

  readonly read: VectoredCall = (fd, buffers, position, permit) =>
    this.#run(lengthOf(buffers), (engine) => engine.read(fd, buffers, position, permit))

  readonly write: VectoredCall = (fd, buffers, position, permit) => {
    const bytes = lengthOf(buffers)
    this.#unflushedBytes += bytes
    return this.#run(bytes, (engine) => engine.write(fd, buffers, position, permit))
  }

  readonly flush = (fd: number, permit: Permit): Promise<void> => {
    const bytes = this.#unflushedBytes
    this.#unflushedBytes = 0
    return this.#run(bytes, (engine) => engine.flush(fd, permit))
  }

  async #run<T>(bytes: number, call: (engine: Engine) => T | Promise<T>): Promise<T> {
    if (bytes > MAX_SMALL_BYTES) return call(this.#pool)
    const trusted = this.#quickCalls >= TRUSTED_CALLS
    // Here and not in the engine, so that the wait for a turn is not taken for the disk's.
    if (trusted) await turn()
    const began = this.#now()
    try {
      return await call(trusted ? this.#sync : this.#pool)
    } finally {
      this.#quickCalls = this.#now() - began < SLOW_MS ? this.#quickCalls + 1 : 0
    }
  }
}
