import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { deadLetter } from '../../codec/dead-letter.ts'
import type {
  DeadLetter,
  DeadLetterFunction,
  DeadLetterSink,
  EncodedSink,
} from '../../jobs/types.ts'
import { errorText } from '../../util/error-text.ts'
import { RingWriter } from './writer.ts'

/** Who hands dead letters over. */
interface Names {
  readonly clock: Clock
  readonly client: string
}

/**
 * What hands dead letters over.
 * @throws {TypeError} it is neither a device, nor a writer, nor a function
 */
export function sinkOf<Out>(
  sink: DeadLetterSink<Out> | undefined,
  names: Names,
): DeadLetterFunction<Out> | undefined {
  return typeof sink === 'object' ? deadLettersIn(sink, names) : sink
}

/**
 * Hands dead letters to a ring: to its writer; or to its device, where it takes the producer's role only while it hands one over, so that
 * many workers can share the ring.
 * @throws {TypeError} it is neither
 */
function deadLettersIn<Out>(
  sink: Exclude<DeadLetterSink<Out>, DeadLetterFunction<Out>>,
  { clock, client }: Names,
): DeadLetterFunction<Out> {
  if (isEncodedSink(sink)) {
    return async (letter, options) => {
      await sink.pushEncoded(await stored(letter, clock), options)
    }
  }
  if (isDevice(sink)) {
    return async (letter, { signal }) => {
      await using writer = await RingWriter.open(sink, { signal, clock, client })
      await writer.pushEncoded(await stored(letter, clock), { signal })
    }
  }
  throw new TypeError('deadLetter is a device with a ring, a RingWriter or a function')
}

function stored(
  { error, ...letter }: DeadLetter<unknown>,
  clock: Clock,
): Uint8Array | Promise<Uint8Array> {
  const { bytes, ring, position, attempts, pushedAt } = letter
  return deadLetter.encode({
    ...{
      bytes,
      ring,
      position,
      attempts,
      reason: errorText(error),
      time: Math.trunc(clock.time()),
    },
    ...(pushedAt !== undefined && { pushedAt }),
  })
}

/** Whether a value takes items that are encoded. */
export function isEncodedSink(value: object): value is EncodedSink {
  return 'pushEncoded' in value && typeof value.pushEncoded === 'function'
}

function isDevice(value: object): value is BlockDevice {
  return 'getInfo' in value && typeof value.getInfo === 'function'
}
