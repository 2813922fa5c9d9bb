import type {
  OpfsChannel,
  OpfsDirectory,
  OpfsFileEntry,
  OpfsLocks,
  OpfsPlatform,
  OpfsSyncAccess,
} from '../../../src/block/opfs/index.ts'

/** How a fake browser behaves. */
export interface FakeOptions {
  /** Without the mode `readwrite-unsafe`, each handle excludes others. Default: with it. */
  readonly shared?: boolean
  /** Bytes that all files together may have. */
  readonly quota?: number
}

function fail(name: string): Error {
  return new DOMException(`the fake browser says ${name}`, name)
}

class FakeFile {
  bytes = new Uint8Array(0)
  open = 0
}

/** What a browser gives to the workers of an origin: files, locks and channels, in memory. */
export class FakeBrowser implements OpfsPlatform {
  readonly #options: FakeOptions
  readonly #files = new Map<string, FakeFile>()
  readonly #folders = new Set([''])
  readonly #channels = new Map<string, Set<OpfsChannel>>()
  readonly #held = new Map<string, Promise<void>>()
  /** Called before each write, flush and truncation. */
  onSend: (operation: string) => void = () => undefined

  constructor(options: FakeOptions = {}) {
    this.#options = options
  }

  async root(): Promise<OpfsDirectory> {
    return this.#folder('')
  }

  readonly locks: OpfsLocks = {
    request: async (name, { ifAvailable }, callback) => {
      if (ifAvailable && this.#held.has(name)) return await callback(null)
      while (this.#held.has(name)) await this.#held.get(name)
      const work = callback({})
      const held = work.then(
        () => undefined,
        () => undefined,
      )
      this.#held.set(name, held)
      await held
      this.#held.delete(name)
      return await work
    },
    query: async () => ({ held: [...this.#held.keys()].map((name) => ({ name })) }),
  }

  channel(name: string): OpfsChannel {
    const others = this.#channels.get(name) ?? new Set()
    this.#channels.set(name, others)
    const channel: OpfsChannel = {
      onmessage: null,
      postMessage: (message) => {
        for (const other of others) {
          if (other === channel) continue
          queueMicrotask(() => other.onmessage?.({ data: structuredClone(message) }))
        }
      },
      close: () => others.delete(channel),
    }
    others.add(channel)
    return channel
  }

  #folder(path: string): OpfsDirectory {
    return {
      getDirectoryHandle: async (name, { create }) => {
        const inner = `${path}${name}/`
        if (create) this.#folders.add(inner)
        if (!this.#folders.has(inner)) throw fail('NotFoundError')
        return this.#folder(inner)
      },
      getFileHandle: async (name, { create }) => {
        const inner = path + name
        if (create && !this.#files.has(inner)) this.#files.set(inner, new FakeFile())
        const file = this.#files.get(inner)
        if (file === undefined) throw fail('NotFoundError')
        return this.#entry(file)
      },
    }
  }

  #entry(file: FakeFile): OpfsFileEntry {
    const { shared = true } = this.#options
    return {
      createSyncAccessHandle: async ({ mode }) => {
        if (!shared && file.open > 0) throw fail('NoModificationAllowedError')
        file.open++
        return this.#access(file, shared ? mode : undefined)
      },
    }
  }

  #access(file: FakeFile, mode: string | undefined): OpfsSyncAccess {
    const grow = (bytes: number): void => {
      const all = [...this.#files.values()].reduce((sum, each) => sum + each.bytes.length, 0)
      if (all - file.bytes.length + bytes > (this.#options.quota ?? Number.POSITIVE_INFINITY)) {
        throw fail('QuotaExceededError')
      }
      const grown = new Uint8Array(bytes)
      grown.set(file.bytes.subarray(0, bytes))
      file.bytes = grown
    }
    return {
      ...(mode !== undefined && { mode }),
      getSize: () => file.bytes.length,
      read: (buffer, { at }) => {
        // Browsers may do less than they are asked to.
        const some = file.bytes.subarray(at, at + Math.min(buffer.length, 70_000))
        buffer.set(some)
        return some.length
      },
      write: (buffer, { at }) => {
        this.onSend('write')
        const some = buffer.subarray(0, 70_000)
        if (at + some.length > file.bytes.length) grow(at + some.length)
        file.bytes.set(some, at)
        return some.length
      },
      flush: () => this.onSend('flush'),
      truncate: (bytes) => {
        this.onSend('truncate')
        grow(bytes)
      },
      close: () => {
        file.open--
      },
    }
  }
}
