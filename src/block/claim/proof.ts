import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Reads a secret that only a reader of the device knows; undefined if the device has none. */
export type ReadKey = () => Promise<Uint8Array | undefined>

/** The side that makes a proof: it cannot be reused by the other side. */
type Side = 'asker' | 'holder'

const NONCE_BYTES = 16
const NONCE = /^[0-9a-f]{32}$/
const PROOF = /^[0-9a-f]{64}$/
const NO_KEY = new Uint8Array(0)

/** A fresh random text. */
export function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString('hex')
}

/** True if it is a nonce, as it came from another process. */
export function isNonce(value: unknown): value is string {
  return typeof value === 'string' && NONCE.test(value)
}

/**
 * Proves that a side has read the device's key, for one conversation: an HMAC over the side, the role, both nonces
 * and the message. So it cannot be reflected, replayed, moved to another role or device, or attached to another
 * message.
 */
export function proofOf(
  key: Uint8Array | undefined,
  side: Side,
  conversation: readonly string[],
  statement: readonly (string | number | null)[],
): string {
  const text = JSON.stringify([side, conversation, statement])
  return createHmac('sha256', key ?? NO_KEY)
    .update(text)
    .digest('hex')
}

/** True if a proof, as it came from another process, is the expected one. */
export function isProof(value: unknown, expected: string): boolean {
  if (typeof value !== 'string' || !PROOF.test(value)) return false
  return timingSafeEqual(Buffer.from(value), Buffer.from(expected))
}
