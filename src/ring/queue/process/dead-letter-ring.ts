import type { BlockDevice } from '../../../block/device.ts'
import type { Clock } from '../../../clock.ts'
import { deadLetters } from '../../../codec/dead-letter.ts'
import { isRingError } from '../../../errors.ts'
import { untilAborted } from '../../../util/abort.ts'
import { deferred } from '../../../util/deferred.ts'
import { errorText } from '../../../util/error-text.ts'
import { inspectRing } from '../../access/inspect.ts'
import { RingWriter } from '../writer.ts'
import type { DeadLetter, DeadLetterFunction, DeadLetterSink, EncodedSink } from './types.ts'

/** The client that hands over dead letters, and its clock. */
interface Names {
  readonly clock: Clock
  readonly client: string
}

/**
 * The function that hands over dead letters.
 * @throws {TypeError} the option is neither a device, nor a writer, nor a function
 */
export function sinkOf<Out>(
  sink: DeadLetterSink<Out> | undefined,
  names: Names,
): DeadLetterFunction<Out> | undefined {
  return typeof sink === 'object' ? deadLettersIn(sink, names) : sink
}

/**
 * Hands dead letters to a ring, through its writer or its device.
 * @throws {TypeError} the option is neither
 */
function deadLettersIn<Out>(
  sink: Exclude<DeadLetterSink<Out>, DeadLetterFunction<Out>>,
  names: Names,
): DeadLetterFunction<Out> {
  if (isEncodedSink(sink)) return (letter, options) => handOver(sink, letter, names.clock, options)
  if (isDevice(sink)) {
    const ring = new DeadLetterRing(sink, names)
    return (letter, { signal }) => ring.store(letter, signal)
  }
  throw new TypeError('deadLetter is a device with a ring, a RingWriter or a function')
}

/** A writer that stores share while they run. */
interface SharedWriter {
  readonly writer: Promise<RingWriter>
  /** To be called once the role is released. */
  readonly release: () => void
  stores: number
}

/**
 * Stores dead letters in the ring of a device. Stores that run at the same time share a writer, and it is closed when
 * none runs, so that many workers can use the ring. After a failed store the next one opens another writer.
 */
class DeadLetterRing {
  readonly #device: BlockDevice
  readonly #names: Names
  #shared: SharedWriter | undefined
  /** Resolves once the last writer has released the role. */
  #released: Promise<void> = Promise.resolve()

  constructor(device: BlockDevice, names: Names) {
    this.#device = device
    this.#names = names
  }

  /** Resolves when the letter is durable, and the role is released unless other stores need it. */
  async store(letter: DeadLetter<unknown>, signal: AbortSignal): Promise<void> {
    this.#shared ??= this.#newWriter(signal)
    const shared = this.#shared
    shared.stores++
    try {
      await handOver(await shared.writer, letter, this.#names.clock, { signal })
    } catch (error) {
      this.#retire(shared)
      throw error
    } finally {
      if (--shared.stores === 0) {
        this.#retire(shared)
        await this.#close(shared)
      }
    }
  }

  #newWriter(signal: AbortSignal): SharedWriter {
    const before = this.#released
    const { promise: released, resolve: release } = deferred<void>()
    this.#released = released
    const open = async (): Promise<RingWriter> => {
      // It may never end, if the device hangs.
      await untilAborted(before, signal)
      return await RingWriter.open(this.#device, { ...this.#names, signal, onBlocked })
    }
    return { writer: open(), release, stores: 0 }
  }

  /** The next store opens another writer. */
  #retire(shared: SharedWriter): void {
    if (this.#shared === shared) this.#shared = undefined
  }

  async #close({ writer, release }: SharedWriter): Promise<void> {
    try {
      const opened = await writer
      await opened.close()
    } catch {
      // It could not be opened, which each store has reported.
    } finally {
      release()
    }
  }
}

/** Waiting for room would block other items, and keep the role of this ring from other workers. */
function onBlocked(): never {
  throw new Error('the ring of the dead letters is full or suspended')
}

/** Pushes a dead letter. The reason is shortened if the ring refuses its length. */
async function handOver(
  sink: EncodedSink,
  letter: DeadLetter<unknown>,
  clock: Clock,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  const reason = errorText(letter.error)
  try {
    await sink.pushEncoded(await stored(letter, reason, clock), options)
  } catch (error) {
    const short = reason.slice(0, SHORT_REASON)
    if (!isPermanent(error) || short === reason) throw error
    await sink.pushEncoded(await stored(letter, short, clock), options)
  }
}

/** Length of a reason that fits next to the item in almost every ring. */
const SHORT_REASON = 100

function stored(
  { error, ...letter }: DeadLetter<unknown>,
  reason: string,
  clock: Clock,
): Uint8Array | Promise<Uint8Array> {
  const { bytes, ring, position, attempts, pushedAt } = letter
  const time = Math.trunc(clock.time())
  return deadLetters.encode({
    ...{ bytes, ring, position, attempts, reason, time },
    ...(pushedAt !== undefined && { pushedAt }),
  })
}

/** True if another attempt cannot help, because the ring of the dead letters cannot hold the item. */
export function isPermanent(error: unknown): boolean {
  return isRingError(error) && error.code === 'RING_ITEM_TOO_LARGE'
}

/**
 * True if two devices have the same ring. A ring of format 1 has no identity, so only the same device counts.
 * @throws as `inspectRing`
 */
export async function isSameRing(
  one: BlockDevice,
  other: BlockDevice,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  if (one === other) return true
  const inspect = async (device: BlockDevice): Promise<string | undefined> =>
    (await inspectRing(device, { ...(signal !== undefined && { signal }) })).ring?.uuid
  const uuid = await inspect(one)
  return uuid !== undefined && (await inspect(other)) === uuid
}

/**
 * Refuses the ring that the dead letters come from: they would go in a circle.
 * @throws {RangeError} it is that ring
 * @throws as `inspectRing`
 */
export async function refuseOwnRing(
  sink: DeadLetterSink<never> | undefined,
  device: BlockDevice,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (typeof sink !== 'object') return
  const letters = isEncodedSink(sink) ? ringOf(sink) : sink
  if (letters === undefined || !(await isSameRing(device, letters, signal))) return
  throw new RangeError('deadLetter must not be the ring that the dead letters come from')
}

function ringOf(sink: EncodedSink): BlockDevice | undefined {
  return sink instanceof RingWriter ? sink.producer.device : undefined
}

/** True if a value accepts encoded items. */
export function isEncodedSink(value: object): value is EncodedSink {
  return 'pushEncoded' in value && typeof value.pushEncoded === 'function'
}

function isDevice(value: object): value is BlockDevice {
  return 'getInfo' in value && typeof value.getInfo === 'function'
}
