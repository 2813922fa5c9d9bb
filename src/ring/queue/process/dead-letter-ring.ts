import type { BlockDevice } from '../../../block/device.ts'
import type { Clock } from '../../../clock.ts'
import { deadLetters } from '../../../codec/dead-letter.ts'
import { isRingError } from '../../../errors.ts'
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
 * Hands dead letters to a ring, through its writer or its device. With a device, it takes the producer's role for each
 * dead letter only, so that many workers can share the ring.
 * @throws {TypeError} the option is neither
 */
function deadLettersIn<Out>(
  sink: Exclude<DeadLetterSink<Out>, DeadLetterFunction<Out>>,
  { clock, client }: Names,
): DeadLetterFunction<Out> {
  if (isEncodedSink(sink)) return (letter, options) => handOver(sink, letter, clock, options)
  if (isDevice(sink)) {
    return async (letter, { signal }) => {
      // Waiting for room would block other items, and keep the role of this ring from other workers.
      const onBlocked = (): void => {
        throw new Error('the ring of the dead letters is full or suspended')
      }
      await using writer = await RingWriter.open(sink, { signal, clock, client, onBlocked })
      await handOver(writer, letter, clock, { signal })
    }
  }
  throw new TypeError('deadLetter is a device with a ring, a RingWriter or a function')
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
