/** An open file of the origin private file system, as `FileSystemSyncAccessHandle`: only dedicated workers have it. */
export interface OpfsSyncAccess {
  /** The mode in which it was opened; absent where every handle is exclusive. */
  readonly mode?: string
  /** Reads at a byte offset; returns how many bytes there were. */
  read(buffer: Uint8Array, options: { readonly at: number }): number
  /** Writes at a byte offset; returns how many bytes were written. */
  write(buffer: Uint8Array, options: { readonly at: number }): number
  /** Writes the data to the disk. */
  flush(): void
  /** Sets the size. */
  truncate(bytes: number): void
  /** The size in bytes. */
  getSize(): number
  /** Closes the file for this handle. */
  close(): void
}

/** A `FileSystemFileHandle`. */
export interface OpfsFileEntry {
  /** Opens the file; absent outside of dedicated workers. */
  createSyncAccessHandle?(options: { readonly mode: 'readwrite-unsafe' }): Promise<OpfsSyncAccess>
}

/** A `FileSystemDirectoryHandle`. */
export interface OpfsDirectory {
  /** A file of the folder. */
  getFileHandle(name: string, options: { readonly create: boolean }): Promise<OpfsFileEntry>
  /** A folder of the folder. */
  getDirectoryHandle(name: string, options: { readonly create: boolean }): Promise<OpfsDirectory>
}

/** A `LockManager`, as far as it is used here. */
export interface OpfsLocks {
  /**
   * Calls back with the lock, or with null if it is held; holds it until the promise settles, and resolves after that.
   */
  request(
    name: string,
    options: { readonly ifAvailable: boolean },
    callback: (lock: object | null) => Promise<void>,
  ): Promise<void>
  /** The locks that are held now, by all tabs of the origin. */
  query(): Promise<{
    /** Those that are held. */
    readonly held?: readonly {
      /** The name of the lock. */
      readonly name?: string
    }[]
  }>
}

/** A `BroadcastChannel`. */
export interface OpfsChannel {
  /** Called with what others post. */
  onmessage: ((event: { readonly data: unknown }) => void) | null
  /** Posts to all other channels of the name. */
  postMessage(message: unknown): void
  /** Ends it. */
  close(): void
}

/** The part of a browser that the device needs. */
export interface OpfsPlatform {
  /** The top folder of the origin. */
  root(): Promise<OpfsDirectory>
  /** Locks of the origin. */
  readonly locks: OpfsLocks
  /** A new channel of a name. */
  channel(name: string): OpfsChannel
}

/** Those of this worker; undefined for what is missing. */
export function platformHere(): OpfsPlatform | undefined {
  const { navigator, BroadcastChannel: Broadcast } = globalThis as unknown as {
    readonly navigator?: {
      readonly storage?: { getDirectory?(): Promise<OpfsDirectory> }
      readonly locks?: OpfsLocks
    }
    readonly BroadcastChannel?: new (name: string) => OpfsChannel
  }
  const storage = navigator?.storage
  const locks = navigator?.locks
  if (storage?.getDirectory === undefined || locks === undefined || Broadcast === undefined) {
    return undefined
  }
  return {
    root: async () => await (storage as { getDirectory(): Promise<OpfsDirectory> }).getDirectory(),
    locks,
    channel: (name) => new Broadcast(name),
  }
}
