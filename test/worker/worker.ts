import type { BlockClaim } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { BlockError } from '../../src/errors.ts'
import {
  type ConnectTarget,
  RingConnection,
  type RingConnectionOptions,
  RingServer,
  type RingServerOptions,
} from '../../src/worker/index.ts'
import type { WorkerLocks } from '../../src/worker/locks.ts'
import { HookedDevice } from '../helpers/hooked.ts'

/** Locks as a browser has them: they end with the page or worker that holds them. */
export class FakeLocks {
  readonly #queues = new Map<string, (() => Promise<void>)[]>()
  readonly #held = new Map<string, Set<() => void>>()

  /** The locks as one page or worker has them. */
  of(owner: string): WorkerLocks {
    const held = this.#held.get(owner) ?? new Set()
    this.#held.set(owner, held)
    return {
      request: (name, { signal }, callback) =>
        new Promise<void>((resolve, reject) => {
          const run = async (): Promise<void> => {
            const crashed = new Promise<void>((release) => {
              held.add(release)
            })
            await Promise.race([callback(), crashed])
            resolve()
          }
          const queue = this.#queues.get(name) ?? []
          this.#queues.set(name, queue)
          signal?.addEventListener('abort', () => {
            const at = queue.indexOf(run, 1)
            if (at < 0) return
            queue.splice(at, 1)
            reject(signal.reason)
          })
          queue.push(run)
          if (queue.length === 1) void this.#run(name, queue)
        }),
    }
  }

  /** Ends a page or worker, as a crash does: nobody is told anything else. */
  crash(owner: string): void {
    for (const release of this.#held.get(owner) ?? []) release()
  }

  async #run(name: string, queue: (() => Promise<void>)[]): Promise<void> {
    for (let next = queue[0]; next !== undefined; next = queue[0]) {
      await next()
      queue.shift()
    }
    this.#queues.delete(name)
  }
}

/** A device that the next worker finds as this one left it. */
export class LastingDevice extends HookedDevice {
  constructor(sizeSectors = 1024) {
    super(new MemoryBlockDevice({ sizeSectors }))
  }

  override async disconnect(): Promise<void> {
    // The memory stays.
  }
}

/** A device whose claims take time to be released, as those of a file do. */
export class ClaimedDevice extends LastingDevice {
  readonly #claimed = new Set<string>()

  override async claim(role: string): Promise<BlockClaim> {
    if (this.#claimed.has(role)) {
      throw new BlockError('BLOCK_CLAIMED', `${role} is taken`, { device: this.name })
    }
    this.#claimed.add(role)
    return {
      release: async () => {
        for (let turns = 0; turns < 10; turns++) {
          await new Promise((resolve) => setImmediate(resolve))
        }
        this.#claimed.delete(role)
      },
    }
  }
}

/** A worker that serves a ring, and what its pages need to connect. */
export class TestWorker implements AsyncDisposable {
  readonly device: LastingDevice
  readonly server: RingServer
  readonly #channel = new MessageChannel()

  constructor(
    options: Partial<RingServerOptions> = {},
    device: LastingDevice = new LastingDevice(),
  ) {
    this.device = device
    const open = (): LastingDevice => device
    this.server = new RingServer(this.#channel.port2, { open, createIfMissing: true, ...options })
  }

  /** A page's way to it. */
  get target(): ConnectTarget {
    return this.#channel.port1
  }

  page(options: RingConnectionOptions & { readonly codec?: never } = {}): Promise<RingConnection> {
    return RingConnection.open(this.target, options)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close()
    this.#channel.port1.close()
  }
}

/** Bytes of a text. */
export function item(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

/** Texts of entries. */
export function texts(entries: readonly { readonly item: Uint8Array }[]): readonly string[] {
  return entries.map(({ item: bytes }) => new TextDecoder().decode(bytes))
}
