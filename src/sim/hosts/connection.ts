import { BaseBlockDevice } from '../../block/base.ts'
import type { BlockInfo } from '../../block/device.ts'
import { BlockError } from '../../errors.ts'
import type { SimDisk } from '../world/disk.ts'
import type { Random } from '../world/random.ts'
import type { Scheduler } from '../world/scheduler.ts'
import type { Trace } from '../world/trace.ts'
import { type Fate, type HostRequest, LEASE_SECTOR } from './fate.ts'
import type { Host } from './host.ts'
import type { Speed } from './plan.ts'

/** What the connections of one run share. */
export interface Storage {
  readonly disk: SimDisk
  readonly scheduler: Scheduler
  readonly trace: Trace
  /** Requests that were issued. */
  requests: number
}

/** One connection of a host to the shared storage: requests take time, arrive late, or not at all. */
export class Connection extends BaseBlockDevice {
  override readonly name = 'shared'
  readonly owner: string
  readonly host: Host
  /** True if the storage refuses requests that arrive. */
  fenced = false
  /** True if the process is gone: no outcome of its requests is delivered. */
  dead = false
  /** True if requests that have not arrived never will. */
  dropped = false
  /** Called with each request that is issued. */
  onRequest: (request: HostRequest) => void = () => undefined
  /** Called with the sector when a write arrives, however late: what was set when it was issued. */
  onArrival: (sector: number) => void = () => undefined
  protected override readonly info: BlockInfo
  readonly #storage: Storage
  readonly #random: Random
  readonly #speed: Speed
  readonly #fate: Fate | undefined
  #seen: Uint8Array

  constructor(
    owner: string,
    host: Host,
    storage: Storage,
    parts: { readonly random: Random; readonly speed: Speed; readonly fate?: Fate },
  ) {
    super()
    const { sectorSize, sizeSectors } = storage.disk
    this.owner = owner
    this.host = host
    this.info = { readWrite: true, sectorSize, sizeSectors }
    this.#storage = storage
    this.#random = parts.random
    this.#speed = parts.speed
    this.#fate = parts.fate
    this.#seen = new Uint8Array(sectorSize)
  }

  protected override doRead(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    const { disk, trace } = this.#storage
    return this.#request({ sector: sectorStart, writes: false }, () => {
      if (sectorStart === LEASE_SECTOR) {
        trace(() => `${this.owner} reads the lease`)
        this.#seen = this.#record.slice()
      }
      let at = sectorStart * disk.sectorSize
      for (const buffer of buffers) {
        buffer.set(disk.visible.subarray(at, at + buffer.length))
        at += buffer.length
      }
    })
  }

  protected override doWrite(sectorStart: number, buffers: readonly Uint8Array[]): Promise<void> {
    const { disk, trace } = this.#storage
    const copies = buffers.map((buffer) => buffer.slice())
    const { onArrival } = this
    if (sectorStart === LEASE_SECTOR) trace(() => `${this.owner} issues a write of the lease`)
    return this.#request({ sector: sectorStart, writes: true }, () => {
      if (sectorStart === LEASE_SECTOR) trace(() => `${this.owner} writes the lease`)
      onArrival(sectorStart)
      let at = sectorStart * disk.sectorSize
      for (const copy of copies) {
        // This storage has no cache: what has arrived is stable.
        disk.flush(disk.apply(at, copy))
        at += copy.length
      }
    })
  }

  protected override doFlush(): Promise<void> {
    return this.#request({ sector: undefined, writes: false }, () => undefined)
  }

  protected override async doDisconnect(): Promise<void> {}

  /** True if the lease's record is what this connection has read last. */
  get hasSeenRecord(): boolean {
    return this.#record.every((byte, at) => this.#seen[at] === byte)
  }

  get #record(): Uint8Array {
    const { visible, sectorSize } = this.#storage.disk
    return visible.subarray(LEASE_SECTOR * sectorSize, (LEASE_SECTOR + 1) * sectorSize)
  }

  #request(request: HostRequest, arrive: () => void): Promise<void> {
    // A process that is gone sends nothing.
    if (this.dead) return new Promise(() => undefined)
    this.#storage.requests++
    this.onRequest(request)
    const lateMs = this.#fate?.meet(this.host, request) ?? 0
    return new Promise((resolve, reject) => {
      this.#after(this.#delayMs() + lateMs, () => {
        if (this.dropped) return
        const refused = this.fenced
        if (!refused) arrive()
        this.#after(this.#delayMs(), () => {
          if (this.dead) return
          this.host.whenRunning(() => (refused ? reject(fencedOff()) : resolve()))
        })
      })
    })
  }

  /** Both ways take time, and wait while the host is cut off. */
  #after(ms: number, happen: () => void): void {
    const { scheduler } = this.#storage
    scheduler.after(ms, () => {
      const late = this.host.reachesFrom - scheduler.now
      if (late > 0) this.#after(late, happen)
      else happen()
      return true
    })
  }

  #delayMs(): number {
    const { usualMs, lateChance, lateMs } = this.#speed
    return this.#random.float() * (this.#random.chance(lateChance) ? lateMs : usualMs)
  }
}

function fencedOff(): BlockError {
  return new BlockError('BLOCK_FENCED', 'the storage has shut this host out', { device: 'shared' })
}
