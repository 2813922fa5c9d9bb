import { CodecError } from '../errors.ts'
import { errorText } from '../util/error-text.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { isVisible } from './wrapped.ts'

/** An AES-GCM key of WebCrypto for encryption and decryption. It need not be extractable. */
export type WebCryptoKey = Awaited<ReturnType<typeof crypto.subtle.importKey>>

/** An AES key: 16, 24 or 32 random bytes, which are read once, or a WebCrypto key. */
export type AesKey = Uint8Array | WebCryptoKey

/** A key, and the id by which items refer to it. */
export interface EncryptionKey {
  /** 1 to 64 visible ASCII characters. It is stored unencrypted with each item. Never reuse an id for another key. */
  readonly id: string
  /** The key. */
  readonly key: AesKey
}

/** The keys of `encrypted`. */
export interface EncryptionKeys {
  /** Encrypts and decrypts. It is read at each push, so an object with a getter can change it. */
  readonly current: EncryptionKey
  /**
   * Decrypt only: earlier keys, while items of theirs may be left, and the next one. A function is called for each item
   * whose id is not the current key's. It returns undefined for an unknown id, and always the same object for a known
   * one.
   */
  readonly others?:
    | readonly EncryptionKey[]
    | ((id: string) => AesKey | undefined | Promise<AesKey | undefined>)
}

const KINDS: OptionKinds<EncryptionKeys> = { current: 'object', others: ['object', 'function'] }
const MAX_ID_CHARACTERS = 64
const KEY_BYTES: readonly number[] = [16, 24, 32]
const ALGORITHM = 'AES-GCM'

/** Keys that were given as bytes. */
const imported = /* @__PURE__ */ new WeakMap<Uint8Array, Promise<WebCryptoKey>>()
/** The number of items that each key has encrypted in this process. */
const uses = /* @__PURE__ */ new WeakMap<AesKey, number>()

/**
 * Validates what can be validated before there is an item.
 * @throws {TypeError} it is not a set of keys
 */
export function checkKeys(keys: EncryptionKeys): void {
  checkOptions('encrypted: keys', keys, KINDS)
  const { current, others = [] } = keys
  if (typeof others !== 'function' && !Array.isArray(others)) {
    throw new TypeError('keys: expected others to be an array or a function')
  }
  const listed = typeof others === 'function' ? [current] : [current, ...others]
  for (const each of listed) checkKey(each)
  const ids = listed.map(({ id }) => id)
  const twice = ids.find((id, index) => ids.indexOf(id) !== index)
  if (twice !== undefined) throw new TypeError(`keys: ${twice} is the id of two keys`)
}

/**
 * Validates a key and its id.
 * @throws {TypeError} one of them is invalid
 */
export function checkKey(key: EncryptionKey): void {
  const { id } = key
  if (typeof id !== 'string' || !isKeyId(id)) {
    throw new TypeError(
      `keys: expected an id of 1 to ${MAX_ID_CHARACTERS} visible ASCII characters`,
    )
  }
  const found = problemOf(key.key)
  if (found !== undefined) throw new TypeError(`keys: ${id}: ${found}`)
}

/** True if this is a valid id of a key. */
export function isKeyId(id: string): boolean {
  return id.length <= MAX_ID_CHARACTERS && isVisible(id)
}

function problemOf(key: AesKey): string | undefined {
  if (key instanceof Uint8Array) {
    if (KEY_BYTES.includes(key.length)) return undefined
    return `expected ${KEY_BYTES.join(', ')} bytes, found ${key.length}`
  }
  const name: unknown = key?.algorithm?.name
  return name === ALGORITHM ? undefined : `expected bytes or a key of ${ALGORITHM}, found neither`
}

/**
 * Counts an item that the key is about to encrypt.
 * @throws {CodecError} `CODEC_KEY_SPENT`
 */
export function spend({ id, key }: EncryptionKey, maxItems: number): void {
  const spent = uses.get(key) ?? 0
  if (spent >= maxItems) {
    throw new CodecError(
      'CODEC_KEY_SPENT',
      `key ${id} has encrypted ${spent} items in this process, and the limit is ${maxItems}: make a new key current, and keep this one among the others`,
      { codec: 'encrypted' },
    )
  }
  uses.set(key, spent + 1)
}

/**
 * Finds the key to decrypt an item with.
 * @throws {CodecError} `CODEC_KEY_UNKNOWN`
 */
export async function findKey(keys: EncryptionKeys, id: string): Promise<WebCryptoKey> {
  const { current, others = [] } = keys
  let cause: unknown
  try {
    const key =
      id === current.id
        ? current.key
        : typeof others === 'function'
          ? await others(id)
          : others.find((other) => other.id === id)?.key
    if (key !== undefined) {
      checkKey({ id, key })
      const found = await webCryptoKey(key)
      if (found.usages.includes('decrypt')) return found
      throw new TypeError('it may not decrypt')
    }
  } catch (error) {
    cause = error
  }
  const reason = cause === undefined ? '' : `: ${errorText(cause)}`
  throw new CodecError(
    'CODEC_KEY_UNKNOWN',
    `there is no key ${id}${reason}; add it as the current key or among the others`,
    { codec: 'encrypted' },
    cause,
  )
}

/** The key as a WebCrypto key. */
export function webCryptoKey(key: AesKey): WebCryptoKey | Promise<WebCryptoKey> {
  if (!(key instanceof Uint8Array)) return key
  const known = imported.get(key)
  if (known !== undefined) return known
  const importing = crypto.subtle.importKey('raw', key, ALGORITHM, false, ['encrypt', 'decrypt'])
  imported.set(key, importing)
  return importing
}
