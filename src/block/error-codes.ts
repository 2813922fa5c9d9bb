/**
 * The codes of `BlockError` that this package's devices throw and that rings, tools and commands know. A back-end
 * throws the one that fits; a fault of its own kind may have a code of its own, which is handled like `BLOCK_IO`.
 */
export const BLOCK_ERROR_CODES = [
  /** `disconnect` was called. Thrown by `BaseBlockDevice`. */
  'BLOCK_DISCONNECTED',
  /** The device takes no writes. Nothing was written: a ring's handle stays usable. */
  'BLOCK_READ_ONLY',
  /** The device cannot do this. Thrown by `BaseBlockDevice` where `capabilities` says so; see `unsupportedError`. */
  'BLOCK_UNSUPPORTED',
  /** Another process has the role, or the whole device; `details.holder` names it. See `claimedError`. */
  'BLOCK_CLAIMED',
  /** A request failed. A read may succeed later; tools read around it. After a write, what the device holds is unknown. */
  'BLOCK_IO',
  /** The device could not be opened. */
  'BLOCK_OPEN',
  /** The storage has shut this host out, most likely because another host took over. */
  'BLOCK_FENCED',
  /** The connection was lost before the reply came. */
  'BLOCK_LOST',
  /** The reply did not come in time. */
  'BLOCK_TIMEOUT',
  /** The server broke the protocol. */
  'BLOCK_PROTOCOL',
  /** The address is not one. */
  'BLOCK_URI',
  /** There is something already where the device should be created. */
  'BLOCK_EXISTS',
  /** The file was removed or replaced at its path: reopen the device. */
  'BLOCK_REPLACED',
  /** The device ends before the request does: it has shrunk. */
  'BLOCK_SHORT',
] as const
