import type { Clock } from '../../../clock.ts'
import { isRingError, RingError } from '../../../errors.ts'
import { untilAborted } from '../../../util/abort.ts'
import type { EventDetails } from '../../../util/diagnostics.ts'
import type { LeaseRecord } from '../../lease-types.ts'
import { leaseLost } from './errors.ts'
import { type LeaseEvent, leaseEvents } from './events.ts'
import type { LeaseStore } from './store.ts'
import { elapsed, HELD_PART, leapOf, type Moment, moment, RENEWED_PART } from './time.ts'

/** An event without the fields that all events share. */
type UnnamedLeaseEvent = EventDetails<LeaseEvent, 'device' | 'role' | 'owner' | 'timeoutMs'>

/**
 * A lease that this host holds, and renews in the background once it is confirmed. If renewal fails for most of the
 * timeout, by the stricter of two clocks, the lease ends by itself, before another host may take it.
 */
export class Lease {
  readonly #store: LeaseStore
  readonly #clock: Clock
  #record: LeaseRecord
  /** A moment before the last successful write of the record was sent. */
  #since: Moment
  readonly #over = new AbortController()
  readonly #stop = new AbortController()
  #renewing: Promise<void> = Promise.resolve()
  #doubtful = false

  /** @param since a moment before the write of the record was sent */
  constructor(store: LeaseStore, clock: Clock, record: LeaseRecord, since: Moment) {
    this.#store = store
    this.#clock = clock
    this.#record = record
    this.#since = since
    void this.#expire()
  }

  /**
   * Confirms in the record that the role is held, and starts to renew it.
   * @throws {RingError} `RING_LEASE_LOST`
   */
  async confirm(): Promise<void> {
    try {
      await this.hold(() => this.#write('held'))
    } catch (error) {
      this.#lose('it could not be confirmed', error)
      throw error
    }
    this.#publish({ event: 'taken' })
    this.#renewing = this.#renew()
  }

  /**
   * Throws if this host no longer holds the role.
   * @throws {RingError} `RING_LEASE_LOST`
   */
  check(): void {
    if (this.#leftMs <= 0) this.#loseLate()
    this.#over.signal.throwIfAborted()
  }

  /**
   * Sends a request that only the holder may send, and waits for it while the lease lasts.
   * @throws {RingError} `RING_LEASE_LOST`: whatever the request did, it does not count
   */
  async hold<T>(request: () => Promise<T>): Promise<T> {
    this.check()
    const result = await untilAborted(request(), this.#over.signal)
    this.check()
    return result
  }

  /** A write has failed and may still arrive, so the role must not be released early. */
  doubt(): void {
    this.#doubtful = true
  }

  /** Releases the role, if this host still holds it. Never fails. */
  async release(): Promise<void> {
    this.#stop.abort()
    // A renewal in progress would overwrite this write.
    await this.#renewing
    try {
      if (!this.#doubtful) await this.hold(() => this.#rewrite('free'))
    } catch {
      // The lease expires instead.
    }
    if (!this.#over.signal.aborted) this.#publish({ event: 'released' })
    this.#over.abort(released(this.#store))
  }

  get #leftMs(): number {
    return this.#heldMs - elapsed(this.#since, this.#clock)
  }

  get #heldMs(): number {
    return this.#record.timeoutMs * HELD_PART
  }

  async #renew(): Promise<void> {
    const { timeoutMs } = this.#record
    try {
      for (;;) {
        const ms = timeoutMs * RENEWED_PART - elapsed(this.#since, this.#clock)
        await this.#clock.sleep(Math.max(0, ms), this.#stop.signal, { background: true })
        const since = moment(this.#clock)
        await this.hold(() => this.#rewrite('held'))
        this.#since = since
        this.#publish({ event: 'renewed', durationMs: elapsed(since, this.#clock) })
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#lose('it could not be renewed', error)
    }
  }

  /** Renews the record, unless another host has written it. */
  async #rewrite(status: LeaseRecord['status']): Promise<void> {
    const found = await this.#store.read()
    if (found.status !== 'held' || found.nonce !== this.#record.nonce) {
      const whose = 'owner' in found ? `of ${JSON.stringify(found.owner)}` : found.status
      throw leaseLost(this.#store, `its record is now ${whose}`)
    }
    await this.#write(status)
  }

  async #write(status: LeaseRecord['status']): Promise<void> {
    const counter = this.#record.counter + 1
    const time = this.#clock.time()
    const record = { ...this.#record, status, confirmed: true, counter, time }
    // The read may have come late, and the write may be sent late.
    await this.#store.write(record, () => this.check())
    this.#record = record
  }

  /** Ends the lease when it expires, so that a hanging request is not waited for. */
  async #expire(): Promise<void> {
    const { signal } = this.#over
    try {
      while (!signal.aborted) {
        await this.#clock.sleep(Math.max(0, this.#leftMs), signal, { background: true })
        if (this.#leftMs <= 0) this.#loseLate()
      }
    } catch {
      // The lease has already ended.
    }
  }

  #loseLate(): void {
    this.#lose(leapOf(this.#since, this.#clock, this.#heldMs) ?? 'it could not be renewed in time')
  }

  #lose(reason: string, cause?: unknown): void {
    const known = isRingError(cause) && cause.code === 'RING_LEASE_LOST'
    const error = known ? cause : leaseLost(this.#store, reason, cause)
    if (!this.#over.signal.aborted) this.#publish({ event: 'lost', error })
    this.#over.abort(error)
  }

  #publish(event: UnnamedLeaseEvent): void {
    if (!leaseEvents.hasSubscribers) return
    const { device, role } = this.#store
    const { owner, timeoutMs } = this.#record
    leaseEvents.publish({ device: device.name, role, owner, timeoutMs, ...event })
  }
}

function released({ device }: LeaseStore): RingError {
  return new RingError('RING_CLOSED', `The role of ${device.name} was closed`, {
    device: device.name,
  })
}
