import type { BlockDevice, BlockHints, BlockWatch } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { onAbort } from '../../util/abort.ts'
import { checkRange } from '../../util/numbers.ts'
import type { RoleHints } from '../hints.ts'
import { checkAttachOptions } from '../shared/attach-options.ts'
import type { AttachOptions } from '../types.ts'
import { afterPause } from './rounds.ts'

const FIRST_MS = 1
/** The longest pause between two polls, unless it has been quiet for long. */
const BUSY_POLL_MS = 50
/** The longest pause after a long quiet time, or if the device reports changes, but one came without a report. */
const QUIET_POLL_MS = 250
/** The longest pause while every change has been reported. A report is a hint, and may be lost. */
const REPORTED_POLL_MS = 1000
/** A pause lasts at most this part of the quiet time so far. */
const QUIET_SHARE = 1 / 20
/** The cause of the end of a pause: a hint from the device or the other side, `wake()`, or its time. */
export type WakeCause = 'hint' | 'call' | 'poll'

/** Options of polling. */
export interface PollOptions {
  /**
   * The longest pause between two polls, in milliseconds. Default: 1,000 if the device reports changes, and 250 once
   * one came unreported, as those of another host do; otherwise 50, and up to 250 after seconds of quiet, so that
   * idling costs little. A reader usually polls one sector, and everything once a second, or as often as this option
   * demands.
   */
  readonly maxPollMs?: number
}

/**
 * Validates the options of a role, except its lease, and of waiting for the other side.
 * @throws {TypeError | RangeError} an option is out of range
 */
export function checkPollOptions(options: PollOptions & AttachOptions): void {
  const { maxPollMs = 1 } = options
  checkRange({ maxPollMs }, 1)
  checkAttachOptions(options)
}

/** True if it is certain, synchronously, that nothing has come. Otherwise the caller has to poll. */
type NothingYet = () => boolean

/**
 * Waits for the other side. Pauses grow from 1 ms, and end early when the device or the other side reports a change.
 * While it is certain that nothing has come, pauses follow each other without waking the caller.
 */
export class Waiter {
  readonly #clock: Clock
  readonly #maxPollMs: number | undefined
  readonly #watch: BlockWatch | undefined
  #hints: BlockHints | undefined
  readonly #endByHint = (): void => this.#end('hint')
  #pauseMs = FIRST_MS
  #quietSince: number
  /** The cause that ends the next pause. */
  #woken: WakeCause | undefined
  readonly #onWake: ((by: WakeCause) => void) | undefined
  /** True if the last pause was longer than `BUSY_POLL_MS`, and no report ended it. */
  #timedOut = false
  /** True if a change came without a report. */
  #missesReports = false
  /** Ends the current pause. */
  #wake: ((by: WakeCause) => void) | undefined

  /**
   * @param options checked already: see `checkPollOptions`
   * @param onWake called with the cause that ended each pause
   */
  constructor(
    device: BlockDevice,
    clock: Clock,
    options: PollOptions = {},
    onWake?: (by: WakeCause) => void,
  ) {
    const { watch } = device.capabilities
    const { maxPollMs } = options
    this.#clock = clock
    this.#maxPollMs = maxPollMs
    this.#quietSince = clock.now()
    // If the other side sends hints, the device's reports are mostly about something else.
    const onChange = (): void => {
      if (!this.#hints?.connected) this.#endByHint()
    }
    this.#watch = watch ? device.watch(onChange) : undefined
    this.#onWake = onWake
  }

  /** Subscribes to hints from the other side. */
  listen(hints: RoleHints): void {
    this.#hints = hints.given
    hints.onHint = this.#endByHint
  }

  /** Resets the pauses, because the awaited change has come. */
  reset(): void {
    this.#missesReports ||= this.#timedOut
    this.#timedOut = false
    this.#pauseMs = FIRST_MS
    this.#quietSince = this.#clock.now()
  }

  /** Ends the current pause, or the next one. */
  wake(): void {
    this.#end('call')
  }

  /**
   * Pauses until it is worth polling again.
   * @returns the cause that ended the pause
   * @throws the signal's reason
   */
  async pause(signal?: AbortSignal, nothingYet: NothingYet = () => false): Promise<WakeCause> {
    signal?.throwIfAborted()
    this.#timedOut = false
    this.#hints?.expect()
    if (this.#woken === 'hint' && nothingYet()) this.#woken = undefined
    const by = this.#woken ?? (await this.#sleep(signal, nothingYet))
    this.#woken = undefined
    this.#onWake?.(by)
    return by
  }

  /** Ends the subscription to changes. */
  close(): void {
    this.#watch?.close()
  }

  #end(by: WakeCause): void {
    if (this.#wake === undefined) this.#woken = by
    else this.#wake(by)
  }

  #longest(): number {
    if (this.#maxPollMs !== undefined) return this.#maxPollMs
    if (this.#watch?.works === true) return this.#missesReports ? QUIET_POLL_MS : REPORTED_POLL_MS
    const quietMs = this.#clock.now() - this.#quietSince
    return Math.min(QUIET_POLL_MS, Math.max(BUSY_POLL_MS, quietMs * QUIET_SHARE))
  }

  #sleep(signal: AbortSignal | undefined, nothingYet: NothingYet): Promise<WakeCause> {
    return new Promise((resolve, reject) => {
      const stop = (): void => {
        callOff()
        stopListening()
        this.#wake = undefined
      }
      const begin = (): (() => void) =>
        afterPause(this.#clock, this.#pauseMs, () => {
          const isLong = this.#pauseMs > BUSY_POLL_MS
          this.#pauseMs = Math.min(this.#pauseMs * 2, this.#longest())
          end('poll', isLong)
        })
      const end = (by: WakeCause, isLong = false): void => {
        if (by === 'call' || !nothingYet()) {
          this.#timedOut = isLong
          stop()
          resolve(by)
          return
        }
        this.#onWake?.(by)
        this.#hints?.expect()
        if (by === 'poll') callOff = begin()
      }
      const stopListening = onAbort(signal, () => {
        stop()
        reject(signal?.reason)
      })
      let callOff = begin()
      this.#wake = end
    })
  }
}
