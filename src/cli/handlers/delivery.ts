import type { Codec } from '../../codec/codec.ts'
import { decodeHead, type EnvelopeHead } from '../../codec/envelope.ts'

/** An item as a command gets it. */
export interface Delivery {
  /** Its last argument; absent if the item is on its standard input. */
  readonly argument?: string
  /** Its standard input. */
  readonly input?: Uint8Array
  /** The head of its envelope, if that was opened. */
  readonly head?: EnvelopeHead
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Items of any bytes, each on the command's standard input. */
export const onStandardInput: Codec<Delivery, never> = {
  name: 'input of a command',
  encode: (nothing) => nothing,
  decode: (input) => ({ input }),
}

/** Items that are text, each as the last argument of a command that has these before. */
export function asArgument(args: readonly string[]): Codec<Delivery, never> {
  const endsFlags = args.at(-1) === '--'
  return {
    name: 'an argument of a command',
    encode: (nothing) => nothing,
    decode: (bytes) => {
      if (bytes.includes(0)) throw new Error('an argument cannot have a NUL byte in it')
      const argument = decodeText(bytes)
      if (argument.startsWith('-') && !endsFlags) {
        throw new Error(
          'COMMAND could take it for a flag, as it begins with -: end COMMAND with --',
        )
      }
      return { argument }
    },
  }
}

/** Items in envelopes: the items within are delivered as the codec says. */
export function inEnvelope(codec: Codec<Delivery, never>): Codec<Delivery, never> {
  return {
    name: `an envelope of ${codec.name}`,
    encode: (nothing) => nothing,
    decode: async (stored) => {
      const { bytes, head } = decodeHead(stored)
      return { ...(await codec.decode(stored.subarray(bytes.length))), head }
    },
  }
}

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    // Node encodes arguments from strings, so other bytes cannot be passed.
    throw new Error('an argument must be UTF-8')
  }
}
