import { BaseBlockDevice } from '../../src/block/base.ts'
import type { BlockInfo } from '../../src/block/device.ts'
import { BlockError } from '../../src/errors.ts'
import type { Random } from '../../src/sim/random.ts'
import type { Scheduler } from '../../src/sim/scheduler.ts'
import { type Fate, LEASE_SECTOR } from './fate.ts'
import type { Host } from './host.ts'

const SECTOR = 512

/** How slow the storage is. */
export interface Speed {
  /** Milliseconds that a request takes at most, if it is not held up. */
  readonly usualMs: number
  /** How probable it is that a request is held up. */
  readonly lateChance: number
  /** How long, at most. */
  readonly lateMs: number
}

/** One connection of a host to the storage that all share: requests take time, arrive late, or not at all. */
export class Connection extends BaseBlockDevice {
  override readonly name = 'shared'
  readonly owner: string
  readonly host: Host
  /** The storage refuses what arrives. */
  fenced = false
  /** The process is gone: nobody hears of what becomes of its requests. */
  dead = false
  /** What has not arrived never will. */
  dropped = false
  /** Called with each request that is issued. */
  onRequest: () => void = () => undefined
  /** Called with the sector when a write arrives, however late: what was set when it was issued. */
  onArrival: (sector: number) => void = () => undefined
  protected override readonly info: BlockInfo
  readonly #bytes: Uint8Array
  readonly #scheduler: Scheduler
  readonly #random: Random
  readonly #speed: Speed
  readonly #fate: Fate | undefined
  #seen = new Uint8Array(SECTOR)

  constructor(
    owner: string,
    host: Host,
    bytes: Uint8Array,
    parts: {
      readonly scheduler: Scheduler
      readonly random: Random
      readonly speed: Speed
      readonly fate?: Fate
    },
  ) {
    super()
    this.owner = owner
    this.host = host
    this.info = { readWrite: true, sectorSize: SECTOR, sizeSectors: bytes.length / SECTOR }
    this.#bytes = bytes
    this.#scheduler = parts.scheduler
    this.#random = parts.random
    this.#speed = parts.speed
    this.#fate = parts.fate
  }

  protected override doRead(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
    return this.#request(undefined, () => {
      if (sector === LEASE_SECTOR) this.#seen = this.#record.slice()
      let at = sector * SECTOR
      for (const buffer of buffers) {
        buffer.set(this.#bytes.subarray(at, at + buffer.length))
        at += buffer.length
      }
    })
  }

  protected override doWrite(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
    const copies = buffers.map((buffer) => buffer.slice())
    const { onArrival } = this
    return this.#request(sector, () => {
      onArrival(sector)
      let at = sector * SECTOR
      for (const copy of copies) {
        this.#bytes.set(copy, at)
        at += copy.length
      }
    })
  }

  protected override doFlush(): Promise<void> {
    return this.#request(undefined, () => undefined)
  }

  protected override async doDisconnect(): Promise<void> {}

  /** Whether the lease's record is what this connection has read last. */
  get hasSeenRecord(): boolean {
    return this.#record.every((byte, at) => this.#seen[at] === byte)
  }

  get #record(): Uint8Array {
    return this.#bytes.subarray(LEASE_SECTOR * SECTOR, (LEASE_SECTOR + 1) * SECTOR)
  }

  /** @param writes the sector, if it is one to write */
  #request(writes: number | undefined, arrive: () => void): Promise<void> {
    // A process that is gone asks for nothing.
    if (this.dead) return new Promise(() => undefined)
    this.onRequest()
    const lateMs = this.#fate?.meet(this.host, writes) ?? 0
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
    this.#scheduler.after(ms, () => {
      const late = this.host.reachesFrom - this.#scheduler.now
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
