import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Reads what only a reader of the device has; undefined if there is nothing of the kind on it. */
export type ReadKey = () => Promise<Uint8Array | undefined>

/** Who says it: what one side has proved is of no use to it as the other side. */
type Side = 'asker' | 'holder'

const NONCE_BYTES = 16
const NONCE = /^[0-9a-f]{32}$/
const PROOF = /^[0-9a-f]{64}$/
const NO_KEY = new Uint8Array(0)

/** Text that nobody has used before. */
export function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString('hex')
}

/** Whether it is a nonce, as it came from another process. */
export function isNonce(value: unknown): value is string {
  return typeof value === 'string' && NONCE.test(value)
}

/**
 * What proves that a side has read the device's key, for one conversation: an HMAC over who says it, the role it is said of, both
 * nonces, and what is said. So it cannot be reflected, replayed, taken to another role or device, or put under other words.
 */
export function proofOf(
  key: Uint8Array | undefined,
  side: Side,
  conversation: readonly string[],
  said: readonly (string | number | null)[],
): string {
  const text = JSON.stringify([side, conversation, said])
  return createHmac('sha256', key ?? NO_KEY)
    .update(text)
    .digest('hex')
}

/** Whether a proof, as it came from another process, is the expected one. */
export function isProof(value: unknown, expected: string): boolean {
  if (typeof value !== 'string' || !PROOF.test(value)) return false
  return timingSafeEqual(Buffer.from(value), Buffer.from(expected))
}
