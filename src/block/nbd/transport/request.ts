import type { Permit } from '../../permit.ts'
import type { RequestHead } from '../protocol.ts'

/** One request to the server. */
export interface Request extends RequestHead {
  /** The data of a write, or the memory for a read: `length` bytes; empty for other requests. */
  readonly parts: readonly Uint8Array[]
  /** Called each time before it is sent. */
  readonly permit: Permit
  /** Called when it has failed, before another request takes its turn. */
  readonly onFailed?: () => void
}
