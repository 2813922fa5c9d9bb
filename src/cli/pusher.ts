import type { BlockDevice } from '../block/device.ts'
import { systemClock } from '../clock.ts'
import { Producer } from '../ring/ring.ts'
import type { AttachOptions } from '../ring/types.ts'
import { Waiter } from '../ring/wait.ts'
import { CommandError, EXIT } from './errors.ts'

/** How a {@link Pusher} works. */
export interface PusherOptions {
  /** Whether to wait for room and for the end of a pause, or to give up. */
  readonly wait: boolean
  /** Ends the waiting. */
  readonly signal: AbortSignal
}

/**
 * The producer of a command. It uses the primitives, and not a `RingWriter`, because it has to know how many
 * items went in when it gives up.
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
        const attached = await Producer.attach(device, names)
        if (attached.status === 'attached') return new Pusher(attached.producer, waiter, options)
        if (!options.wait) throw suspended(device.name)
        await waiter.pause(options.signal)
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
   * Pushes and advances, in as few commits as can be.
   * @throws the signal's reason, between two commits; {@link CommandError} if it is not to wait
   */
  async push(items: readonly Uint8Array[]): Promise<void> {
    for (let done = 0; done < items.length; ) {
      this.#options.signal.throwIfAborted()
      const result = await this.#producer.pushMany(done === 0 ? items : items.slice(done))
      if (result.status === 'ok') {
        await this.#producer.advance(result.positions.at(-1) ?? this.#producer.position)
        done += result.positions.length
        this.#pushed += result.positions.length
        this.#waiter.reset()
      } else if (this.#options.wait) {
        await this.#waiter.pause(this.#options.signal)
      } else {
        const { name } = this.#producer.device
        throw result.status === 'suspended' ? suspended(name) : full(name)
      }
    }
  }

  /** Waits for something else, and acknowledges meanwhile what the consumer wishes. */
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
    await this.#producer.detach()
  }
}

function suspended(device: string): CommandError {
  return new CommandError(EXIT.suspended, 'CLI_SUSPENDED', `${device} is suspended`, { device })
}

function full(device: string): CommandError {
  return new CommandError(EXIT.nothingNow, 'CLI_FULL', `${device} has no room now`, { device })
}
