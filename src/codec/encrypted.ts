import { CodecError } from '../errors.ts'
import { checkWhole } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { after } from '../util/then.ts'
import type { Codec } from './codec.ts'
import {
  checkKey,
  checkKeys,
  type EncryptionKeys,
  findKey,
  isKeyId,
  spend,
  webCryptoKey,
} from './encryption-keys.ts'
import { FIRST, joined, littleEndian, utf8Of, WrappedReader } from './wrapped.ts'

/** Options of {@link encrypted}. */
export interface EncryptedOptions {
  /**
   * Binds items to a context, such as the ring's name: an item from another context does not decrypt. It is not stored,
   * so both sides must name the same one. Up to 65,535 bytes of UTF-8. Default empty.
   */
  readonly context?: string
  /**
   * The number of items that this process encrypts with a key before it refuses with `CODEC_KEY_SPENT`. The default,
   * 2^32, is the limit of a key over all processes and restarts. To stay within it, divide it among them, or change the
   * key in time.
   */
  readonly maxItemsPerKey?: number
}

const KINDS: OptionKinds<EncryptedOptions> = { context: 'string', maxItemsPerKey: 'number' }

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const MAX_CONTEXT_BYTES = 0xffff
/** NIST SP 800-38D, 8.3: with random nonces, the probability of two equal ones stays below 2^-32. */
const MAX_ITEMS = 2 ** 32

/**
 * Encrypts and authenticates items, by AES-GCM with random nonces. FORMAT.md specifies the bytes; SECURITY.md states
 * what this hides and what it does not.
 *
 * An item of an unknown key throws `CODEC_KEY_UNKNOWN`. An item that was changed, or encrypted with another key of that
 * id, in another context, or under another envelope's head, throws `CODEC_NOT_AUTHENTIC`. An item that decrypts but
 * does not decode throws `CODEC_DECODE`. Compress inside: `encrypted(compressed(json()), keys)`.
 * @throws {TypeError} a key or an option has the wrong type, or this runtime has no WebCrypto (browsers have it in
 *   secure contexts)
 * @throws {RangeError} an option is out of range
 */
export function encrypted<Out, In = Out>(
  codec: Codec<Out, In>,
  keys: EncryptionKeys,
  options: EncryptedOptions = {},
): Codec<Out, In> {
  checkKeys(keys)
  checkOptions('encrypted', options, KINDS)
  if (globalThis.crypto?.subtle === undefined) {
    throw new TypeError('encrypted needs WebCrypto (crypto.subtle), which browsers have on HTTPS')
  }
  const { context = '', maxItemsPerKey = MAX_ITEMS } = options
  checkWhole({ maxItemsPerKey }, 1, MAX_ITEMS)
  const around = utf8Of(context, 'context')
  if (around.length > MAX_CONTEXT_BYTES) {
    throw new RangeError(
      `context: expected at most ${MAX_CONTEXT_BYTES} bytes, found ${around.length}`,
    )
  }
  const bound = joined(littleEndian(around.length, 2), around)

  return {
    name: `encrypted ${codec.name}`,
    encode: (item, outer = NOTHING) =>
      after(codec.encode(item, outer), async (bytes) => {
        const { current } = keys
        checkKey(current)
        spend(current, maxItemsPerKey)
        // Copied, because the caller may change the item while WebCrypto works.
        const plain = new Uint8Array(bytes)
        const id = utf8Of(current.id, 'id')
        const start = joined(Uint8Array.of(FIRST.encrypted, VERSION, id.length), id)
        const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES))
        const algorithm = algorithmOf(nonce, joined(start, bound, outer))
        const key = await webCryptoKey(current.key)
        const sealed = await crypto.subtle.encrypt(algorithm, key, plain)
        return joined(start, nonce, new Uint8Array(sealed))
      }),
    decode: async (bytes, outer = NOTHING) => {
      const reader = new WrappedReader(bytes, 'encrypted', [VERSION])
      const id = reader.text(reader.u8('key id'), 'key id')
      if (!isKeyId(id)) {
        throw reader.wrong('expected visible ASCII as the key id', JSON.stringify(id))
      }
      const start = reader.read
      const nonce = reader.bytes(NONCE_BYTES, 'nonce')
      const sealed = reader.rest
      if (sealed.length < TAG_BYTES) {
        throw reader.wrong(`expected a tag of ${TAG_BYTES} bytes`, String(sealed.length))
      }
      const key = await findKey(keys, id)
      const algorithm = algorithmOf(nonce, joined(start, bound, outer))
      const plain = await crypto.subtle.decrypt(algorithm, key, sealed).catch((cause: unknown) => {
        throw new CodecError(
          'CODEC_NOT_AUTHENTIC',
          `it does not decrypt with key ${id} in this context: it was changed or moved, or encrypted with another key of that id`,
          { codec: 'encrypted' },
          cause,
        )
      })
      return codec.decode(new Uint8Array(plain), outer)
    },
  }
}

const NOTHING = /* @__PURE__ */ new Uint8Array()

/** The parameters of WebCrypto besides the key. */
function algorithmOf(
  iv: Uint8Array,
  additionalData: Uint8Array,
): { name: string; iv: Uint8Array; additionalData: Uint8Array; tagLength: number } {
  return { name: 'AES-GCM', iv, additionalData, tagLength: 8 * TAG_BYTES }
}
