/** An open file of the origin private file system, as `FileSystemSyncAccessHandle`: only dedicated workers have it. */
export interface SyncAccess {
  /** How it was opened; absent where every handle is exclusive. */
  readonly mode?: string
  /** Reads at a byte offset; returns how many bytes there were. */
  read(buffer: Uint8Array, options: { readonly at: number }): number
  /** Writes at a byte offset; returns how many bytes were written. */
  write(buffer: Uint8Array, options: { readonly at: number }): number
  /** Hands what was written to the disk. */
  flush(): void
  /** Sets the size. */
  truncate(bytes: number): void
  /** The size in bytes. */
  getSize(): number
  /** Closes the file for this handle. */
  close(): void
}

/** A `FileSystemFileHandle`. */
export interface FileEntry {
  /** Opens the file; absent outside of dedicated workers. */
  createSyncAccessHandle?(options: { readonly mode: 'readwrite-unsafe' }): Promise<SyncAccess>
}

/** A `FileSystemDirectoryHandle`. */
export interface Directory {
  /** A file of the folder. */
  getFileHandle(name: string, options: { readonly create: boolean }): Promise<FileEntry>
  /** A folder of the folder. */
  getDirectoryHandle(name: string, options: { readonly create: boolean }): Promise<Directory>
}

/** A `LockManager`, as far as it is used here. */
export interface Locks {
  /** Calls back with the lock, or with null if it is held; holds it until the promise settles, and resolves after that. */
  request(
    name: string,
    options: { readonly ifAvailable: boolean },
    callback: (lock: object | null) => Promise<void>,
  ): Promise<void>
  /** The locks that are held now, by all tabs of the origin. */
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>
}

/** A `BroadcastChannel`. */
export interface Channel {
  /** Called with what others post. */
  onmessage: ((event: { readonly data: unknown }) => void) | null
  /** Posts to all other channels of the name. */
  postMessage(message: unknown): void
  /** Ends it. */
  close(): void
}

/** What the device needs of a browser. */
export interface OpfsPlatform {
  /** The top folder of the origin. */
  root(): Promise<Directory>
  /** Locks of the origin. */
  readonly locks: Locks
  /** A new channel of a name. */
  channel(name: string): Channel
}

/** Those of this worker; undefined for what is missing. */
export function platformHere(): OpfsPlatform | undefined {
  const { navigator, BroadcastChannel: Broadcast } = globalThis as unknown as {
    readonly navigator?: {
      readonly storage?: { getDirectory?(): Promise<Directory> }
      readonly locks?: Locks
    }
    readonly BroadcastChannel?: new (name: string) => Channel
  }
  const storage = navigator?.storage
  const locks = navigator?.locks
  if (storage?.getDirectory === undefined || locks === undefined || Broadcast === undefined) {
    return undefined
  }
  return {
    root: async () => await (storage as { getDirectory(): Promise<Directory> }).getDirectory(),
    locks,
    channel: (name) => new Broadcast(name),
  }
}
