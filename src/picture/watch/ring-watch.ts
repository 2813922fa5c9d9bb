import type { BlockDevice, BlockHolder } from '../../block/device.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { salvage } from '../../ring/access/readable-part.ts'
import type { Role } from '../../ring/roles.ts'
import type { RingSeen, Snapshot } from '../snapshot.ts'
import type { DeviceAccess } from './access.ts'
import type { DeviceSeen, FormatWatch } from './format-watch.ts'
import { Format1Watch } from './format1-watch.ts'
import { Format2Watch } from './format2-watch.ts'
import { ScratchPool } from './scratch.ts'

/**
 * A device is opened again after this, because its path may lead to another one by then; sooner if its content no
 * longer fits.
 */
const REOPEN_MS = 600_000
const REOPEN_DAMAGED_MS = 60_000
/** A device that failed is tried again after this. */
const RETRY_MS = 2000
/** Holders are asked this often by default, because it takes a connection to each. */
const HOLDERS_MS = 5000
/** A look that takes longer is reported as late, and continues. */
const LATE_AFTER_MS = 2000

type Holders = Readonly<Record<Role, BlockHolder | null>>

/** Options of a {@link RingWatch}. */
export interface WatchOptions {
  readonly holdersMs?: number
  /** Memory shared by watches that look in turn. */
  readonly scratch?: ScratchPool
  readonly clock?: Clock
}

interface Opened {
  readonly device: BlockDevice
  readonly view: FormatWatch
  readonly at: number
}

/**
 * Looks at a device repeatedly: read-only, without a role, one look at a time. Errors of the device are part of the
 * snapshot, and not thrown.
 */
export class RingWatch implements AsyncDisposable {
  readonly device: string
  readonly #access: DeviceAccess
  readonly #holdersMs: number
  readonly #scratch: ScratchPool
  readonly #clock: Clock
  readonly #ending = new AbortController()
  #opened: Opened | undefined
  #holders: { readonly of: Holders | undefined; readonly at: number } | undefined
  #seen:
    | {
        readonly view: DeviceSeen
        readonly holders: Holders | undefined
        readonly snapshot: RingSeen
      }
    | undefined
  #failed: { readonly snapshot: Snapshot; readonly at: number } | undefined
  #looking: Promise<Snapshot> | undefined

  constructor(
    device: string,
    access: DeviceAccess,
    { holdersMs = HOLDERS_MS, scratch = new ScratchPool(), clock = systemClock }: WatchOptions = {},
  ) {
    this.device = device
    this.#access = access
    this.#holdersMs = holdersMs
    this.#scratch = scratch
    this.#clock = clock
  }

  /** The current state; or, if the device does not answer within two seconds, a snapshot that says so. */
  async look(): Promise<Snapshot> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    const found = await inTime(this.#looking)
    return found ?? this.#unseen('BLOCK_TIMEOUT', `${this.device} does not answer`)
  }

  /** As `look`, synchronously; undefined if something has changed, or the device cannot be read that way. */
  lookNow(): Snapshot | undefined {
    const [opened, known] = [this.#opened, this.#seen]
    if (opened === undefined || known === undefined || this.#looking !== undefined) return undefined
    const now = this.#clock.now()
    if (this.#isOld(opened, now) || this.#mayAsk(now)) return undefined
    return opened.view.lookNow() === known.view
      ? { ...known.snapshot, at: this.#clock.time() }
      : undefined
  }

  async #look(): Promise<Snapshot> {
    const now = this.#clock.now()
    if (this.#failed !== undefined && now - this.#failed.at < RETRY_MS)
      return { ...this.#failed.snapshot, at: this.#clock.time() }
    this.#failed = undefined
    try {
      return await this.#read(now)
    } catch (error) {
      await this.#close()
      const { code, message } = this.#access.explain(error)
      const snapshot = this.#unseen(code, message)
      this.#failed = { snapshot, at: now }
      return snapshot
    }
  }

  #unseen(code: string, message: string): Snapshot {
    return { device: this.device, at: this.#clock.time(), error: { code, message } }
  }

  async #read(now: number): Promise<RingSeen> {
    if (this.#opened !== undefined && this.#isOld(this.#opened, now)) await this.#close()
    this.#opened ??= await this.#open(now)
    const { view, device } = this.#opened
    const seen = await this.#scratch.use((scratch) => view.look(this.#ending.signal, scratch))
    const holders = await this.#askHolders(device, view, now)
    const known = this.#seen
    const at = this.#clock.time()
    // The objects of unchanged parts are reused, so that snapshots can be compared by identity.
    if (known?.view === seen && known.holders === holders) return { ...known.snapshot, at }
    const holder = (role: Role) => (holders === undefined ? {} : { holder: holders[role] })
    const snapshot = {
      device: this.device,
      at,
      ...seen,
      producer: { ...seen.producer, ...holder('producer') },
      consumer: { ...seen.consumer, ...holder('consumer') },
    }
    this.#seen = { view: seen, holders, snapshot }
    return snapshot
  }

  #isOld({ at }: Opened, now: number): boolean {
    const reopenMs = this.#seen?.view.damage.length ? REOPEN_DAMAGED_MS : REOPEN_MS
    return now - at >= reopenMs
  }

  /** True if it is time to ask the holders. */
  #mayAsk(now: number): boolean {
    return this.#holders === undefined || now - this.#holders.at >= this.#holdersMs
  }

  async #open(at: number): Promise<Opened> {
    const device = await this.#access.open(this.device)
    try {
      // In format 1, zeroes in place of unreadable sectors would pass for content.
      const view = await salvage<FormatWatch>(device, (readable, format) =>
        format === 1 ? Format1Watch.open(device) : Format2Watch.open(readable),
      )
      this.#ending.signal.throwIfAborted()
      return { device, view, at }
    } catch (error) {
      await device.disconnect()
      throw error
    }
  }

  async #askHolders(
    device: BlockDevice,
    { key }: FormatWatch,
    now: number,
  ): Promise<Holders | undefined> {
    if (this.#holders === undefined || this.#mayAsk(now)) {
      const found = device.capabilities.claim
        ? await this.#access.holdersOf(device, async () => key)
        : undefined
      const of = found && {
        producer: found.producer ?? null,
        consumer: found.consumer ?? null,
      }
      const isSame = JSON.stringify(of) === JSON.stringify(this.#holders?.of)
      this.#holders = { of: isSame ? this.#holders?.of : of, at: now }
    }
    return this.#holders.of
  }

  async #close(): Promise<void> {
    const opened = this.#opened
    this.#opened = undefined
    await opened?.device.disconnect()
  }

  /** Ends a running look between two reads, and closes the device, unless that does not answer. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    if (this.#looking !== undefined) await inTime(this.#looking)
    if (this.#looking === undefined) await this.#close()
  }
}

/** The result of a promise, or undefined if it takes too long. */
async function inTime<T>(promise: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, LATE_AFTER_MS, undefined)
  })
  try {
    return await Promise.race([promise, late])
  } finally {
    clearTimeout(timer)
  }
}
