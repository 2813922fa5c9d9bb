import { Lazy } from '../../util/lazy.ts'

/** Many rings as one. Only these runs need it, and so it is no part of what every simulation loads. */
export const fan: Lazy<typeof import('../../fan/index.ts')> = new Lazy(
  () => import('../../fan/index.ts'),
)

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** An item as bytes. */
export function bytesOf(item: string): Uint8Array {
  return encoder.encode(item)
}

/** An item as text. */
export function textOf(item: Uint8Array): string {
  return decoder.decode(item)
}

/** The key that an item begins with. */
export function keyOf(item: Uint8Array): string {
  const text = textOf(item)
  return text.slice(0, text.indexOf(':'))
}
