import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { attachProducer, type Producer } from '../../ring/access/attach.ts'
import { keepTime } from '../../ring/maintenance/item-times.ts'
import { Waiter } from '../../ring/queue/poll.ts'
import type { AttachOptions } from '../../ring/types.ts'
import { CommandError, EXIT } from '../errors.ts'
import type { Obstacle, WaitNotice } from '../output/wait-notice.ts'

/** Options of a {@link Pusher}. */
export interface PusherOptions {
  /** True to wait for room and for the end of a pause, false to give up. */
  readonly wait: boolean
  /** Ends the waiting. */
  readonly signal: AbortSignal
  /** Absent if waiting is not reported. */
  readonly notice: WaitNotice | undefined
}

/**
 * The producer of a command. It uses the primitives instead of a `RingWriter`, to know how many items were pushed
 * when it gives up.
 */
export class Pusher implements AsyncDisposable {
  readonly #producer: Producer
  readonly #waiter: Waiter
  readonly #options: PusherOptions
  #pushed = 0

  private constructor(producer: Producer, waiter: Waiter, options: PusherOptions) {
    this.#producer = producer
    this.#waiter = waiter
    this.#options = options
  }

  /** Takes the role, when the ring is not suspended. */
  static async open(
    device: BlockDevice,
    names: AttachOptions,
    options: PusherOptions,
  ): Promise<Pusher> {
    const waiter = new Waiter(device, systemClock)
    try {
      for (;;) {
        const attached = await attachProducer(device, { ...names, signal: options.signal })
        if (attached.status === 'attached') {
          options.notice?.over()
          return new Pusher(attached.producer, waiter, options)
        }
        await pause(waiter, 'suspended', device.name, options)
      }
    } catch (error) {
      waiter.close()
      throw error
    }
  }

  /** Items that are in the ring. */
  get pushed(): number {
    return this.#pushed
  }

  get maxItemBytes(): number {
    return this.#producer.maxItemBytes
  }

  /**
   * Pushes items, in as few commits as possible.
   * @param time when the items were pushed to another ring, in milliseconds since 1970, for a ring that records it.
   *   Default: now
   * @throws the signal's reason, between two commits; {@link CommandError} if it is not to wait
   */
  async push(items: readonly Uint8Array[], time?: number): Promise<void> {
    const { signal } = this.#options
    keepTime(this.#producer, time)
    for (let done = 0; done < items.length; ) {
      signal.throwIfAborted()
      const rest = done === 0 ? items : items.slice(done)
      const result = await this.#producer.append(rest, { signal })
      if (result.status === 'ok') {
        done += result.pushed
        this.#pushed += result.pushed
        this.#waiter.reset()
        this.#options.notice?.over()
      } else {
        const why = result.status === 'suspended' ? 'suspended' : 'full'
        await pause(this.#waiter, why, this.#producer.device.name, this.#options)
      }
    }
  }

  /** Waits for a promise, and grants requests to suspend meanwhile. */
  async whileWaitingFor<T>(something: Promise<T>): Promise<T> {
    const settled = new AbortController()
    const done = something.finally(() => settled.abort())
    done.catch(() => undefined) // It is awaited below, but perhaps only later.
    this.#waiter.reset()
    while (!settled.signal.aborted) {
      await this.#waiter.pause(settled.signal).catch(() => undefined)
      if (!settled.signal.aborted) await this.#producer.state()
    }
    return done
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#waiter.close()
    await this.#producer.close()
  }
}

/** Pauses, if it is to wait. */
async function pause(
  waiter: Waiter,
  why: Obstacle,
  device: string,
  { wait, signal, notice }: PusherOptions,
): Promise<void> {
  if (!wait) throw why === 'suspended' ? suspended(device) : full(device)
  notice?.waits(why)
  await waiter.pause(signal)
}

function suspended(device: string): CommandError {
  return new CommandError(EXIT.suspended, 'CLI_SUSPENDED', `${device} is suspended`, { device })
}

function full(device: string): CommandError {
  return new CommandError(EXIT.nothingNow, 'CLI_FULL', `${device} has no room now`, { device })
}
