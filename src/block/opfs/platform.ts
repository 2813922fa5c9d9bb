/** An open file of the origin private file system, as `FileSystemSyncAccessHandle`: only dedicated workers have it. */
export interface SyncAccess {
  /** How it was opened; absent where every handle is exclusive. */
  readonly mode?: string
  read(buffer: Uint8Array, options: { readonly at: number }): number
  write(buffer: Uint8Array, options: { readonly at: number }): number
  flush(): void
  truncate(bytes: number): void
  getSize(): number
  close(): void
}

/** A `FileSystemFileHandle`. */
export interface FileEntry {
  createSyncAccessHandle?(options: { readonly mode: 'readwrite-unsafe' }): Promise<SyncAccess>
}

/** A `FileSystemDirectoryHandle`. */
export interface Directory {
  getFileHandle(name: string, options: { readonly create: boolean }): Promise<FileEntry>
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
  query(): Promise<{ readonly held?: readonly { readonly name?: string }[] }>
}

/** A `BroadcastChannel`. */
export interface Channel {
  onmessage: ((event: { readonly data: unknown }) => void) | null
  postMessage(message: unknown): void
  close(): void
}

/** What the device needs of a browser. */
export interface OpfsPlatform {
  root(): Promise<Directory>
  readonly locks: Locks
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
