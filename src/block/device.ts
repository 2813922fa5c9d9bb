import type { Permit } from './permit.ts'

/** A device's size and sectors, after Mirage's `Mirage_block.info`. */
export interface BlockInfo {
  /** True if writes are accepted. */
  readonly readWrite: boolean
  /** Bytes in a sector. */
  readonly sectorSize: number
  /** Sectors on the device now; a device may grow. A safe integer. */
  readonly sizeSectors: number
  /**
   * Bytes at the end of a file or an export that do not fill a sector, and are not part of the device; absent if
   * there are none.
   */
  readonly unusedBytes?: number
}

/** The operations of a device beyond reading and writing. */
export interface BlockCapabilities {
  /** `discard` frees space. */
  readonly discard: boolean
  /** `resize` changes the size. */
  readonly resize: boolean
  /** `seekMapped` and `seekUnmapped` distinguish data and holes. */
  readonly seek: boolean
  /** `claim` makes a role exclusive on this machine. */
  readonly claim: boolean
  /** `watch` reports changes made by others. */
  readonly watch: boolean
  /** Every buffer of `read` and `write` must be exactly one sector long. */
  readonly singleSectorBuffers: boolean
}

/** Options of a request. */
export interface RequestOptions {
  /**
   * Called each time before something is sent for the request, also when it is split, queued or tried again. If it
   * throws, nothing more of the request is sent, and the request rejects with that error.
   */
  readonly permit?: Permit
}

/** Options of a write. */
export interface WriteOptions extends RequestOptions {
  /** The data is on stable storage when the promise resolves (FUA, `O_DSYNC`). Default false. */
  readonly durable?: boolean
}

/** Options of talking to a role's holder. */
export interface AskOptions {
  /**
   * Reads a secret that proves access to the device (the UUID of a ring): both sides prove to each other that they have
   * it. If it is undefined, or resolves with undefined, the device has none, and every process is trusted. All claims
   * of a role must use the same key.
   */
  readonly key?: (() => Promise<Uint8Array | undefined>) | undefined
}

/** Options of a claim. */
export interface ClaimOptions extends AskOptions {
  /** Name of the claimant, shown to processes that are refused. */
  readonly holder: string
  /**
   * Answers a request that another process on this machine sent with {@link BlockDevice.ask}, after it proved the
   * {@link AskOptions.key}. Only the claim's holder may write for its role, so other processes send it requests.
   */
  readonly onRequest?: (request: string) => Promise<string>
  /**
   * Called with each of the {@link BlockHints} from the other end: the holder of {@link peer}, or one whose `peer` is
   * this role.
   */
  readonly onHint?: () => void
  /** The role whose holder on this machine should be connected for hints, with `onHint`. */
  readonly peer?: string
}

/**
 * Hints between the holders of two roles on this machine: something has changed, and nothing else. A hint may be
 * missing, late or wrong, because any process that has read the device can be at the other end.
 */
export interface BlockHints {
  /** True if the other end is connected. */
  readonly connected: boolean
  /** Requests a hint: of the next change, or of one since the last hint. */
  expect(): void
  /** Sends a hint of a change, if one is expected. */
  give(): void
}

/** A role that this process holds until it releases it or dies. */
export interface BlockClaim {
  /** Releases the role. Never fails; a second call does nothing. */
  release(): Promise<void>
  /** Present with {@link ClaimOptions.onHint}, if hints are available. */
  readonly hints?: BlockHints
}

/** The holder of a role. */
export interface BlockHolder {
  /** The name that it gave in {@link ClaimOptions}. */
  readonly holder: string
  /** Absent for a holder that does not respond: of one in another container, only the lock is visible. */
  readonly pid?: number
  /** The name of its machine; absent for a holder that does not respond. */
  readonly host?: string
  /** The time when it took the role, by its clock: ISO 8601. */
  readonly since?: string
}

/** A subscription made by {@link BlockDevice.watch}. */
export interface BlockWatch {
  /** False if changes are not reported, or no longer: poll as often as without a watch. */
  readonly works: boolean
  /** Ends the subscription. Never fails; a second call does nothing. */
  close(): void
}

/**
 * A block device, after Mirage's `Mirage_block.S`: sectors that are read and written whole.
 *
 * Rules that every implementation keeps (the conformance suite checks them):
 * - `sectorStart` and sector counts are non-negative safe integers, and the request lies within the device; each
 *   buffer is a whole number of sectors long; the list of buffers has any length, including none. Anything else is a
 *   `TypeError` or `RangeError` before any I/O.
 * - A submitted request cannot be cancelled and has no timeout.
 * - Data is not copied: the caller must not touch a buffer from the call until its promise settles.
 * - Concurrent requests may run in any order.
 * - After `disconnect` was called, every call with I/O throws `BLOCK_DISCONNECTED`; `readNow` returns false, and
 *   `allocate` still works. Once it has resolved, nothing more is sent to the storage.
 */
export interface BlockDevice extends AsyncDisposable {
  /** Names the device in messages: a path, a URI. */
  readonly name: string

  /** The operations of the device beyond reading and writing; constant over its life. */
  readonly capabilities: BlockCapabilities

  /**
   * Changes once requests may go to another server, or to a restarted one: data read before may have been only in a
   * cache that is lost, and a flush does not cover it. Absent for a device that cannot lose its cache while it is
   * open, or whose next flush fails if it does.
   */
  readonly incarnation?: number | undefined

  /**
   * Mirage's `get_info`. Queries the device on every call, because it may grow.
   * @throws {BlockError} `BLOCK_DISCONNECTED`
   */
  getInfo(): Promise<BlockInfo>

  /**
   * Fills the buffers from `sectorStart` on. Resolved: all are filled. Rejected: some may not be.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the back-end
   */
  read(sectorStart: number, buffers: readonly Uint8Array[], options?: RequestOptions): Promise<void>

  /**
   * Fills the buffer from `sectorStart` on synchronously, if that takes no longer than a memory copy; for readers that
   * poll. Absent if that is never possible.
   * @returns false if it was not filled: its content is undefined, and `read` is needed
   */
  readNow?(sectorStart: number, buffer: Uint8Array): boolean

  /**
   * Writes the buffers from `sectorStart` on. Resolved: all are written. Rejected: some of the writes may
   * not have happened, except for `BLOCK_READ_ONLY`, when nothing was written.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, `BLOCK_READ_ONLY`, or a code of the back-end
   */
  write(sectorStart: number, buffers: readonly Uint8Array[], options?: WriteOptions): Promise<void>

  /**
   * Everything that was written before the call, by any handle that the device can see, is on stable
   * storage when it resolves. After a rejection the device holds an unknown part of it; flushing again
   * would not help.
   * @throws {BlockError} `BLOCK_DISCONNECTED`, or a code of the back-end
   */
  flush(options?: RequestOptions): Promise<void>

  /**
   * Frees sectors whose content is no longer needed. Reading them afterwards returns undefined content. The size does
   * not change.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the capability; as `write` otherwise
   */
  discard(sectorStart: number, sectors: number, options?: RequestOptions): Promise<void>

  /**
   * Makes the sectors read as zeroes.
   * @throws {BlockError} as `write`
   */
  writeZeroes(sectorStart: number, sectors: number, options?: WriteOptions): Promise<void>

  /**
   * Changes the size. New sectors read as zeroes.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the capability; as `write` otherwise
   */
  resize(sizeSectors: number): Promise<void>

  /**
   * The first sector at or after `sectorStart` that may hold data; the device's size if there is none.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the capability; as `read` otherwise
   */
  seekMapped(sectorStart: number): Promise<number>

  /**
   * The first sector at or after `sectorStart` that is a hole and reads as zeroes; the device's size if
   * there is none.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the capability; as `read` otherwise
   */
  seekUnmapped(sectorStart: number): Promise<number>

  /** Zeroed memory that this device transfers without a copy (aligned for `O_DIRECT`, for instance). */
  allocate(bytes: number): Uint8Array

  /**
   * Makes a role of this device (`producer`, `consumer`) exclusive on this machine. The claim ends with the process,
   * however it dies. Role names are 1 to 32 characters of `a-z`, `0-9`, `-`; `@` and a sector number may follow: the
   * role of whatever starts at that sector (a partition adds its own start).
   * @throws {BlockError} `BLOCK_CLAIMED` with `details.holder`; `BLOCK_UNSUPPORTED`, also if nothing would exclude
   *   other programs; `BLOCK_DISCONNECTED`
   */
  claim(role: string, options: ClaimOptions): Promise<BlockClaim>

  /**
   * Sends a request (one line, at most 1024 bytes of UTF-8) to the process on this machine that holds the role.
   * Resolves with `undefined` if there is no holder, or if it did not respond within a second or accepts no requests.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the claim capability; `BLOCK_DISCONNECTED`
   */
  ask(role: string, request: string, options?: AskOptions): Promise<string | undefined>

  /**
   * The holder of a role, as far as this machine can see; `undefined` if none is visible.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the claim capability; `BLOCK_DISCONNECTED`
   */
  holderOf(role: string, options?: AskOptions): Promise<BlockHolder | undefined>

  /**
   * Calls back when the device may have changed. A hint: calls may be missing, late, or too many, and this
   * handle's own writes may cause them.
   * @throws {BlockError} `BLOCK_UNSUPPORTED` without the capability; `BLOCK_DISCONNECTED`
   */
  watch(onChange: () => void): BlockWatch

  /** Waits for requests in flight, then closes the device. Never fails; can be called again. */
  disconnect(): Promise<void>

  /** As `disconnect`, under the name that other classes use. */
  close(): Promise<void>
}

/** Capabilities of a device that can only read and write. */
export const NO_CAPABILITIES: BlockCapabilities = {
  discard: false,
  resize: false,
  seek: false,
  claim: false,
  watch: false,
  singleSectorBuffers: false,
}
