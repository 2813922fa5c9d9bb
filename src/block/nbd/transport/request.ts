import type { Permit } from '../../permit.ts'
import type { RequestHead } from '../protocol.ts'

/** One request, on its way to the server. */
export interface Request extends RequestHead {
  /** The data of a write, or the memory for a read: `length` bytes; empty for other requests. */
  readonly parts: readonly Uint8Array[]
  /** Asked each time before it is sent. */
  readonly permit: Permit
  /** Told that it has failed, before another request takes its turn. */
  readonly onFailed?: () => void
}
