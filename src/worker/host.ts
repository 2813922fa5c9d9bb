import { checkDevice } from '../block/check-device.ts'
import type { BlockDevice } from '../block/device.ts'
import { isRingError, RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import { createMissing } from '../ring/queue/create-missing.ts'
import { RingReader } from '../ring/queue/reader.ts'
import type { ReaderOptions } from '../ring/queue/reader-options.ts'
import { RingWriter } from '../ring/queue/writer.ts'
import type { WriterOptions } from '../ring/queue/writer-options.ts'
import type { NewRingOptions } from '../ring/types.ts'
import { untilAborted } from '../util/abort.ts'
import { Lazy } from '../util/lazy.ts'
import type { RingConnectionStatus } from './protocol.ts'
import { Supply } from './supply.ts'

/** Loaded on demand: few pages ask for the state of the ring. */
const inspecting = new Lazy(() => import('../ring/access/inspect.ts'))

/** The ring that a worker serves. */
export interface HostedRing {
  /**
   * Opens the device when a page connects. It is closed with the server. If opening fails, the next call tries again.
   */
  readonly open: () => BlockDevice | Promise<BlockDevice>
  /** Create the ring if the device is blank, with these options. Default false. */
  readonly createIfMissing?: boolean | NewRingOptions
  /** Options for taking the producer's role, at a page's first push. */
  readonly writer?: Omit<WriterOptions<Uint8Array>, 'codec' | 'createIfMissing' | 'signal'>
  /** Options for taking the consumer's role, at a page's first receive. */
  readonly reader?: Omit<ReaderOptions<Uint8Array>, 'codec' | 'createIfMissing' | 'signal'>
}

/** A handle that throws one of these has ended. The next call attaches again. */
const ENDED: readonly string[] = [
  'RING_POISONED',
  'RING_CLOSED',
  'RING_ROLE_CONFLICT',
  'RING_LEASE_LOST',
  'RING_REMOVED',
]

function endsHandle(error: unknown): boolean {
  return isRingError(error) && ENDED.includes(error.code)
}

/** A resource that is opened on demand, once at a time. */
class Opened<T> {
  readonly #open: () => Promise<T>
  readonly #close: (opened: T) => Promise<void>
  #opened: Promise<T> | undefined
  /** The resource in use. */
  #current: T | undefined
  /** Settles when the previous one has ended, which has the role until then. The next one opens after it. */
  #ended: Promise<void> = Promise.resolve()

  constructor(open: () => Promise<T>, close: (opened: T) => Promise<void>) {
    this.#open = open
    this.#close = close
  }

  get(): Promise<T> {
    if (this.#opened !== undefined) return this.#opened
    const opened = this.#openNext()
    this.#opened = opened
    opened.catch(() => {
      if (this.#opened === opened) this.#opened = undefined
    })
    return opened
  }

  /** Closes the resource, if it is still the one in use. Never fails. */
  async end(opened: T): Promise<void> {
    if (this.#current === opened) {
      this.#opened = undefined
      this.#current = undefined
      // A resource that fails to close is of no use either.
      this.#ended = this.#close(opened).catch(() => undefined)
    }
    await this.#ended
  }

  /** Never fails. */
  async close(): Promise<void> {
    const opened = await this.#opened?.catch(() => undefined)
    if (opened !== undefined) await this.end(opened)
    await this.#ended
  }

  async #openNext(): Promise<T> {
    await this.#ended
    this.#current = await this.#open()
    return this.#current
  }
}

/** The device, writer and reader of a ring that pages share. Each is opened when it is first needed. */
export class Host {
  readonly #closing = new AbortController()
  readonly #device: Opened<BlockDevice>
  readonly #writer: Opened<RingWriter>
  readonly #supply: Opened<Supply>

  constructor({ open, createIfMissing = false, writer = {}, reader = {} }: HostedRing) {
    const { signal } = this.#closing
    this.#device = new Opened(
      async () => {
        signal.throwIfAborted()
        const device = await open()
        try {
          checkDevice('RingServer', device)
          // Comes first, because anything else would find half a ring.
          await createMissing(device, createIfMissing)
          return device
        } catch (error) {
          await device?.disconnect?.()
          throw error
        }
      },
      (device) => device.disconnect(),
    )
    this.#writer = new Opened(
      async () => RingWriter.open(await this.#device.get(), { ...writer, signal }),
      async (opened) => {
        await opened.close()
      },
    )
    this.#supply = new Opened(
      async () =>
        new Supply(await RingReader.open(await this.#device.get(), { ...reader, signal })),
      (supply) => supply.close(),
    )
  }

  /** Opens the device. */
  async open(): Promise<void> {
    await this.#device.get()
  }

  /** @throws as `RingWriter.open` and `pushMany` */
  async push(items: readonly Uint8Array[], signal: AbortSignal): Promise<Position> {
    const writer = await untilAborted(this.#writer.get(), signal)
    try {
      return await writer.pushMany(items, { signal })
    } catch (error) {
      if (error !== signal.reason && endsHandle(error)) await this.#writer.end(writer)
      throw error
    }
  }

  /**
   * Calls a function with the supply of entries.
   * @throws as `RingReader.open`, and as the function
   */
  async withSupply<T>(signal: AbortSignal, use: (supply: Supply) => Promise<T>): Promise<T> {
    const supply = await untilAborted(this.#supply.get(), signal)
    try {
      return await use(supply)
    } catch (error) {
      if (error !== signal.reason) await this.failed(supply, error)
      throw error
    }
  }

  /** Closes the supply of entries after an error that ends it. Unacknowledged entries are delivered again. */
  async failed(supply: Supply, error: unknown): Promise<void> {
    if (endsHandle(error) || supply.hasEnded) await this.#supply.end(supply)
  }

  /** @throws as `inspectRing` */
  async stats(signal: AbortSignal): Promise<RingConnectionStatus> {
    const device = await untilAborted(this.#device.get(), signal)
    const { inspectRing } = inspecting.value ?? (await inspecting.load())
    const found = await inspectRing(device, { signal })
    const { format, capacityBytes, usedBytes, waitingItems, waitingBytes } = found
    const waiting = waitingItems !== undefined && waitingBytes !== undefined
    return { format, capacityBytes, usedBytes, ...(waiting && { waitingItems, waitingBytes }) }
  }

  /** Closes everything that is open. Never fails. */
  async close(): Promise<void> {
    this.#closing.abort(new RingError('RING_CLOSED', 'The server was closed', {}))
    await Promise.all([this.#writer.close(), this.#supply.close()])
    await this.#device.close()
  }
}
