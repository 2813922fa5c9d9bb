import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { isBlockError, isRingError, RingError } from '../../errors.ts'
import { Lazy } from '../../util/lazy.ts'
import { Serial } from '../../util/serial.ts'
import type { RoleHints } from '../hints.ts'
import type { Role } from '../roles.ts'
import type { DebugInfo, RingRole } from '../types.ts'
import type { Claimed } from './claim-role.ts'
import { ItemMemory, type OwnItems } from './own-items.ts'

const ends = new Lazy(() => import('./role-errors.ts'))

/**
 * True if a write was refused, by the device or because no reader would accept it. Nothing was written, and the handle
 * is usable.
 */
export function isRefusal(error: unknown): boolean {
  if (isRingError(error)) return error.code === 'RING_EXHAUSTED'
  return isBlockError(error) && error.code === 'BLOCK_READ_ONLY'
}

/**
 * True if the failed operation may succeed later through the same handle: it was refused, or was a read. Only a failed
 * write ends a handle.
 */
export function mayRecover(
  error: unknown,
  role: RingRole & { readonly poisoned?: boolean },
): boolean {
  return isRefusal(error) || (isBlockError(error) && error.code === 'BLOCK_IO' && !role.poisoned)
}

/**
 * The common part of all roles of both formats. Calls run one at a time, a claim excludes other handles, and the handle
 * ends once the content of the device is unknown.
 */
export abstract class BaseRole implements RingRole {
  readonly device: BlockDevice
  abstract readonly format: 1 | 2
  readonly queue: string
  readonly client: string
  abstract readonly capacityBytes: number
  abstract readonly maxItemBytes: number
  abstract readonly logOffset: bigint
  readonly onFull: 'wait' | 'overwrite' = 'wait'
  readonly hints: RoleHints
  protected readonly clock: Clock
  readonly #exclusive: boolean
  readonly #release: () => Promise<void>
  readonly #checkHeld: (() => void) | undefined
  readonly #refreshIntervalMs: number
  readonly #serial = new Serial()
  readonly #itemMemory = new ItemMemory()
  #refreshedAt: number
  #poison: unknown
  #closed: Promise<void> | undefined

  constructor(claimed: Claimed) {
    this.device = claimed.device
    this.queue = claimed.names.queue
    this.client = claimed.names.client
    this.hints = claimed.hints
    this.clock = claimed.clock
    this.#exclusive = claimed.exclusive
    this.#release = claimed.release
    this.#checkHeld = claimed.checkHeld
    this.#refreshIntervalMs = claimed.refreshIntervalMs
    this.#refreshedAt = claimed.clock.now()
  }

  abstract debugInfo(): Promise<DebugInfo>

  /** Reads the state of both sides, and checks it against what this handle has written. */
  protected abstract doRefresh(): Promise<void>

  /** The last work on the device before the role is released. */
  protected async doClose(): Promise<void> {}

  close(): Promise<void> {
    this.#closed ??= this.#serial.run(async () => {
      try {
        if (this.#poison === undefined) await this.doClose()
      } catch {
        // Closing never fails, and acknowledgements do not depend on it.
      } finally {
        await this.#release()
      }
    })
    return this.#closed
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** True if a failure has ended the handle. */
  get poisoned(): boolean {
    return this.#poison !== undefined
  }

  /** True if `run` would run an operation now. */
  protected get isUsable(): boolean {
    if (this.#closed !== undefined || this.#poison !== undefined) return false
    try {
      this.#checkHeld?.()
      return true
    } catch {
      return false
    }
  }

  /** Runs an operation after those called before it, unless the handle has ended. */
  protected run<T>(operation: () => Promise<T>): Promise<T> {
    const device = this.device.name
    if (this.#closed !== undefined) {
      const message = `The handle of ${device} was closed`
      return Promise.reject(new RingError('RING_CLOSED', message, { device }))
    }
    return this.#serial.run(() => {
      if (this.#poison === undefined) {
        return this.#checkHeld ? this.#whileHeld(operation, this.#checkHeld) : operation()
      }
      return this.#refuse(this.#poison)
    })
  }

  async #refuse(poison: unknown): Promise<never> {
    // This error explains better than a poisoned handle why writes end. A background write may have met it first.
    if (isBlockError(poison) && poison.code === 'BLOCK_REPLACED') throw poison
    const { poisoned } = ends.value ?? (await ends.load())
    throw poisoned(this.device.name, poison)
  }

  /** As `run`, with a copy of the items: the operation may have to wait for others, and callers may change them. */
  protected runWith<T>(
    items: readonly Uint8Array[],
    operation: (own: OwnItems) => Promise<T>,
  ): Promise<T> {
    let own: OwnItems
    try {
      own = this.#itemMemory.own(items, this)
    } catch (error) {
      return Promise.reject(error)
    }
    return this.run(() => operation(own))
  }

  /** Runs an operation that counts only if the role is held before and after it. */
  async #whileHeld<T>(operation: () => Promise<T>, check: () => void): Promise<T> {
    try {
      check()
      const result = await operation()
      check()
      return result
    } catch (error) {
      const lost = isRingError(error) && error.code === 'RING_LEASE_LOST'
      throw lost ? this.poisonWith(error) : error
    }
  }

  /** Refreshes now. */
  protected async refresh(): Promise<void> {
    await this.doRefresh()
    this.#refreshedAt = this.clock.now()
  }

  /** Refreshes if the last refresh is too old. */
  protected async refreshIfStale(): Promise<void> {
    if (this.#isStale) await this.refresh()
  }

  /** Refreshes, if necessary, before a write of what only this role writes. */
  protected async refreshBeforeWrite(): Promise<void> {
    if (this.mustRefreshBeforeWrite) await this.refresh()
  }

  /**
   * True if a write must be preceded by a refresh: nothing else excludes a second handle, or the last refresh is older
   * than `refreshIntervalMs`.
   */
  protected get mustRefreshBeforeWrite(): boolean {
    return !this.#exclusive || this.#isStale
  }

  get #isStale(): boolean {
    return this.clock.now() - this.#refreshedAt >= this.#refreshIntervalMs
  }

  /**
   * Waits for a write or flush, and then sends a hint to the other role's holder. If it fails, the content of the
   * device is unknown, and the handle ends; only a refusal is known to have written nothing.
   */
  protected async poisonOnFailure(written: Promise<void>): Promise<void> {
    try {
      await written
      this.hints.given?.give()
    } catch (error) {
      throw isRefusal(error) ? error : this.poisonWith(error)
    }
  }

  /** Ends the handle, and returns the error to throw. */
  protected poisonWith(error: unknown): unknown {
    this.#poison ??= error
    return error
  }

  /** Ends the handle because another program wrote what only this role writes, and returns the error to throw. */
  protected async conflict(
    role: Role,
    sector: number,
    expected: string,
    found: string,
  ): Promise<unknown> {
    const { conflicting } = ends.value ?? (await ends.load())
    return this.poisonWith(conflicting(this.device.name, role, sector, expected, found))
  }
}
