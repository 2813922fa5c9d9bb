/**
 * The numbers of the NBD protocol, as its document has them. All integers on the wire are big-endian.
 */

/** Magic numbers; 64-bit ones as two halves. */
export const MAGIC = {
  init: [0x4e42444d, 0x41474943],
  option: [0x49484156, 0x454f5054],
  oldStyle: [0x00004202, 0x81861253],
  optionReply: [0x0003e889, 0x045565a9],
  request: 0x25609513,
  simpleReply: 0x67446698,
  structuredReply: 0x668e33ef,
} as const

/** Flags of the handshake, the same on both sides. */
export const HANDSHAKE = { fixedNewstyle: 1, noZeroes: 2 } as const

/** The options that a client can request before transmission. */
export const OPTION = {
  exportName: 1,
  abort: 2,
  list: 3,
  startTls: 5,
  go: 7,
  structuredReply: 8,
  setMetaContext: 10,
} as const

/** A server's replies to an option. */
export const OPTION_REPLY = { ack: 1, server: 2, info: 3, metaContext: 4 } as const

/** Option replies from here on are refusals. */
export const OPTION_ERROR = 0x80000000

/** Refusals, less {@link OPTION_ERROR}. */
export const REFUSAL = {
  unsupported: 1,
  policy: 2,
  invalid: 3,
  platform: 4,
  tlsRequired: 5,
  unknown: 6,
  shutdown: 7,
  blockSizeRequired: 8,
  tooBig: 9,
} as const

/** Kinds of information in a reply to `go`. */
export const INFO = { export: 0, name: 1, description: 2, blockSize: 3 } as const

/** A server's description of what an export can do. */
export const EXPORT_FLAG = {
  hasFlags: 0x01,
  readOnly: 0x02,
  flush: 0x04,
  fua: 0x08,
  trim: 0x20,
  writeZeroes: 0x40,
  df: 0x80,
  multiConn: 0x100,
} as const

/** Kinds of requests. */
export const COMMAND = {
  read: 0,
  write: 1,
  disconnect: 2,
  flush: 3,
  trim: 4,
  writeZeroes: 6,
  blockStatus: 7,
} as const

/** Flags of requests. */
export const COMMAND_FLAG = { fua: 1, noHole: 2, df: 4, reqOne: 8 } as const

/** Kinds of chunks in a structured reply. */
export const CHUNK = {
  none: 0,
  offsetData: 1,
  offsetHole: 2,
  blockStatus: 5,
  error: 0x8001,
  errorOffset: 0x8002,
} as const

/** Chunk types with this bit are errors, including unknown ones. */
export const CHUNK_ERROR = 0x8000

/** The flag of a reply's last chunk. */
export const CHUNK_DONE = 1

/** Flags of an extent of `base:allocation`. */
export const EXTENT_FLAG = { hole: 1, zero: 2 } as const

/** The meta context that distinguishes data and holes. */
export const BASE_ALLOCATION = 'base:allocation'

/** Bytes that the protocol allows in a string. */
export const MAX_STRING_BYTES = 4096

/** Bytes in a request, without its data. */
export const REQUEST_BYTES = 28

const ERRORS: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'],
  [5, 'EIO'],
  [12, 'ENOMEM'],
  [22, 'EINVAL'],
  [28, 'ENOSPC'],
  [75, 'EOVERFLOW'],
  [95, 'ENOTSUP'],
  [108, 'ESHUTDOWN'],
])

/** The name of an error in a reply; an unknown one counts as EINVAL. */
export function errorName(errno: number): string {
  return ERRORS.get(errno) ?? 'EINVAL'
}

/** A request, parsed. */
export interface RequestHead {
  /** One of {@link COMMAND}. */
  readonly command: number
  /** Of {@link COMMAND_FLAG}. */
  readonly flags: number
  readonly offset: number
  readonly length: number
}

/** The bytes of a request before its data. */
export function encodeRequest(request: RequestHead, cookie: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(REQUEST_BYTES)
  bytes.writeUInt32BE(MAGIC.request, 0)
  bytes.writeUInt16BE(request.flags, 4)
  bytes.writeUInt16BE(request.command, 6)
  bytes.writeUInt32BE(0, 8)
  bytes.writeUInt32BE(cookie, 12)
  writeOffset(bytes, request.offset, 16)
  bytes.writeUInt32BE(request.length, 24)
  return bytes
}

function writeOffset(bytes: Buffer, offset: number, at: number): void {
  bytes.writeUInt32BE(Math.floor(offset / 2 ** 32), at)
  bytes.writeUInt32BE(offset % 2 ** 32, at + 4)
}

/** An unsigned 64-bit number; one that is not a safe integer becomes a number that is too large for any use. */
export function readOffset(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4)
}
