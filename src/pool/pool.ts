import { checkDevice } from '../block/check-device.ts'
import { inTurn } from '../block/creator-claim.ts'
import type { BlockClaim, BlockDevice } from '../block/device.ts'
import { PartitionBlockDevice } from '../block/wrap/partition.ts'
import { type Clock, systemClock } from '../clock.ts'
import { isBlockError, RingError } from '../errors.ts'
import { checkLease, Producer } from '../ring/access/attach.ts'
import { checkSize } from '../ring/access/create.ts'
import { formatUuid } from '../ring/format2/disk/block.ts'
import {
  type Directory,
  type DirectoryEntry,
  isRingName,
  MAX_RINGS,
  RING_NAME_RULE,
} from '../ring/format2/disk/directory.ts'
import type { LeaseState } from '../ring/lease-types.ts'
import { UNNAMED } from '../ring/names.ts'
import { NEW_RING_KINDS } from '../ring/new-ring-kinds.ts'
import type { Created } from '../ring/types.ts'
import { Lazy } from '../util/lazy.ts'
import { checkWhole } from '../util/numbers.ts'
import { checkOptions, type OptionKinds, shown } from '../util/options.ts'
import { Serial } from '../util/serial.ts'
import { replaceUnsafe } from '../util/unsafe-text.ts'
import { gapFor, gapsOf } from './allocate.ts'
import { PoolDirectory } from './directory.ts'
import { directoryFull, noRing, poolFull, ringExists } from './errors.ts'
import { holderOf, takeRing } from './removable.ts'
import { PoolRingDevice } from './ring-device.ts'
import { inUnits } from './sizes.ts'
import type {
  AddRingOptions,
  CreatePoolOptions,
  PoolOptions,
  PoolRingInfo,
  PoolStatus,
  RemoveRingOptions,
} from './types.ts'
import { wipe } from './wipe.ts'

const creation = new Lazy(() => import('./create.ts'))
const leases = new Lazy(() => import('./lease.ts'))

/** The role on the pool's device that is held during each change. */
const POOL_ROLE = 'pool'

const POOL_KINDS: OptionKinds<PoolOptions> = {
  client: 'string',
  lease: 'object',
  signal: 'signal',
  clock: 'object',
}
const ADD_KINDS: OptionKinds<AddRingOptions> = { ...NEW_RING_KINDS, sizeBytes: 'number' }
const REMOVE_KINDS: OptionKinds<RemoveRingOptions> = { discardItems: 'boolean' }

/**
 * A directory of named rings on one device. Each ring is a device of its own, for a producer and a consumer like any
 * other.
 *
 * Each change (`add`, `remove`, `grow`) happens or does not happen, whatever crashes, and changes wait for each other:
 * on one machine by a claim, among hosts by the lease in the options. Nothing is kept in memory: each call sees what
 * other programs have changed.
 *
 * Every method throws {@link RingError} `RING_CORRUPT`, `RING_UNSUPPORTED`, `RING_UNSTABLE` and `RING_DEVICE_TOO_SMALL`
 * like `open`; `RING_POISONED` after a failed write of the directory; `RING_CLOSED` after `close`; and `BlockError` as
 * the device throws it. The device belongs to the caller: `close` leaves it open, and closing it ends the pool.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { Pool } from 'shared-block-ring/pool'
 *
 * await using device = new MemoryBlockDevice({ sizeSectors: 16384 })
 * await Pool.create(device)
 * await using pool = await Pool.open(device)
 * await pool.add('orders', { sizeBytes: 1 << 20 })
 * await using orders = await pool.open('orders')
 * await using writer = await RingWriter.open(orders)
 * await writer.push(new Uint8Array(8))
 * console.log((await pool.status()).rings.map(({ name }) => name)) // [ 'orders' ]
 * ```
 */
export class Pool implements AsyncDisposable {
  /** The device that holds the pool. */
  readonly device: BlockDevice
  readonly #directory: PoolDirectory
  readonly #options: PoolOptions
  readonly #clock: Clock
  readonly #serial = new Serial()
  #poison: unknown
  #closed: RingError | undefined

  private constructor(directory: PoolDirectory, options: PoolOptions) {
    this.device = directory.device
    this.#directory = directory
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /**
   * Creates a pool on a blank device: an empty directory of named rings. An existing pool is not changed.
   * @throws {TypeError} an option is unknown or has the wrong type
   * @throws {RangeError} `uuid` has other than 16 bytes
   * @throws {RingError} `RING_NOT_BLANK` without `eraseOther`, also if there is a ring; `RING_DEVICE_TOO_SMALL`; as
   *   `open`, if there is a pool
   * @throws {RingError} `RING_LEASED` if a host has leased a role of the ring on the device; `RING_CORRUPT` if its
   *   lease is damaged
   * @throws {BlockError} `BLOCK_CLAIMED` if a ring on the device is in use; `BLOCK_READ_ONLY`
   */
  static async create(device: BlockDevice, options: CreatePoolOptions = {}): Promise<Created> {
    const { createPool } = creation.value ?? (await creation.load())
    return { created: await createPool(device, options) }
  }

  /**
   * Opens the pool on a device.
   * @throws {TypeError} an option is unknown or has the wrong type
   * @throws {RangeError} an option of the lease is out of range
   * @throws {RingError} `RING_NOT_INITIALISED` if there is no pool; `RING_CORRUPT`, `RING_UNSUPPORTED`,
   *   `RING_UNSTABLE`; `RING_DEVICE_TOO_SMALL` if the device has shrunk
   */
  static async open(device: BlockDevice, options: PoolOptions = {}): Promise<Pool> {
    checkDevice('Pool.open', device)
    checkOptions('Pool.open', options, POOL_KINDS)
    if (options.lease !== undefined) await checkLease(options.lease)
    return new Pool(await PoolDirectory.open(device, options.clock ?? systemClock), options)
  }

  /** The rings, in the order of their names, and how much room there is. */
  async status(): Promise<PoolStatus> {
    const directory = await this.#read()
    return {
      uuid: formatUuid(directory.uuid),
      sizeBytes: directory.poolBytes,
      ...spaceOf(directory),
      rings: directory.rings
        .map(infoOf)
        .sort((one, other) => (one.name < other.name ? -1 : one.name > other.name ? 1 : 0)),
    }
  }

  /**
   * The device of a ring. Close it when done; the pool's device stays open.
   * @throws {TypeError} the name is no string
   * @throws {RingError} `RING_NOT_FOUND`
   */
  async open(name: string): Promise<PoolRingDevice> {
    return PoolRingDevice.open(this.#directory, this.#find(await this.#read(), name))
  }

  /**
   * Creates a ring, ready for a producer and a consumer. It is listed in the pool once it is complete.
   * @param name 1 to 64 bytes of UTF-8, without control characters, invisible ones, `#`, and white space at its ends
   * @throws {TypeError} the name is no string; an option is unknown or has the wrong type
   * @throws {RangeError} the name or an option is out of range
   * @throws {RingError} `RING_EXISTS`, `RING_POOL_FULL`; `RING_DEVICE_TOO_SMALL` if `sizeBytes` is too small for a ring
   * @throws {RingError} `RING_LEASED`, `RING_LEASE_LOST`; `BlockError` `BLOCK_CLAIMED` if another program changes the
   *   pool for ten seconds
   */
  async add(name: string, options: AddRingOptions): Promise<PoolRingInfo> {
    checkOptions('Pool.add', options, ADD_KINDS)
    const { sizeBytes, ...ring } = options
    checkName(name)
    checkWhole({ sizeBytes }, 1)
    const bytes = inUnits(sizeBytes)
    const { sectorSize } = await this.device.getInfo()
    const at = `${this.device.name}#${name}`
    await checkSize({ name: at, sectorSize, sizeSectors: bytes / sectorSize }, ring)
    return this.#change(async (device, directory) => {
      const { rings, nextId } = directory
      if (rings.some((each) => each.name === name)) throw ringExists(device.name, name)
      if (rings.length >= MAX_RINGS) throw directoryFull(device.name, MAX_RINGS)
      const gap = gapFor(directory, bytes)
      if (gap === undefined) throw fullFor(device.name, directory, bytes)
      const entry = { name, offset: gap.offset, bytes, id: nextId }
      const part = await PartitionBlockDevice.open(device, {
        sectorStart: gap.offset / sectorSize,
        sectors: bytes / sectorSize,
      })
      await wipe(part)
      await Producer.create(part, { clock: this.#clock, ...ring })
      const all = [...rings, entry].sort((one, other) => one.offset - other.offset)
      await this.#commit(device, { ...directory, rings: all, nextId: nextId + 1 })
      return infoOf(entry)
    })
  }

  /**
   * Removes a ring with all its items. It takes the ring's roles meanwhile, so it is refused while one of them is held
   * on this machine, or leased by any host.
   * @throws {TypeError} the name is no string; an option is unknown or has the wrong type
   * @throws {RingError} `RING_NOT_FOUND`; `RING_NOT_EMPTY` without `discardItems`; `RING_LEASED`, `RING_LEASE_LOST`
   * @throws {BlockError} `BLOCK_CLAIMED` if a role is held, or if another program changes the pool for ten seconds
   */
  async remove(name: string, options: RemoveRingOptions = {}): Promise<void> {
    checkOptions('Pool.remove', options, REMOVE_KINDS)
    const { client = UNNAMED, lease, signal } = this.#options
    const who = { device: this.device.name, name, client, clock: this.#clock }
    const remover = { ...who, ...(lease && { lease }), ...(signal && { signal }), ...options }
    await this.#change(async (device, directory) => {
      const entry = this.#find(directory, name)
      await using ring = await PoolRingDevice.open(this.#directory, entry)
      await using _roles = await takeRing(ring, remover)
      const rings = directory.rings.filter(({ id }) => id !== entry.id)
      await this.#commit(device, { ...directory, rings })
    })
  }

  /**
   * Adds to the pool what its device has grown by, if that is at least 64 KiB.
   * @throws {RingError} `RING_LEASED`, `RING_LEASE_LOST`; `BlockError` `BLOCK_CLAIMED` if another program changes the
   *   pool for ten seconds
   */
  async grow(): Promise<{
    /** Bytes of the pool before. */
    readonly beforeBytes: number
    /** Bytes of the pool now. */
    readonly sizeBytes: number
  }> {
    return this.#change(async (device, directory) => {
      const { sectorSize, sizeSectors } = await device.getInfo()
      const beforeBytes = directory.poolBytes
      const all = sectorSize * sizeSectors
      const sizeBytes = all - (all % inUnits(1))
      if (sizeBytes > beforeBytes) {
        await this.#commit(device, { ...directory, poolBytes: sizeBytes })
      }
      return { beforeBytes, sizeBytes }
    })
  }

  /** The lease of the directory: which host changes the pool, or did so last. */
  async readLease(): Promise<LeaseState> {
    this.#checkUsable()
    const { directoryLease } = leases.value ?? (await leases.load())
    return (await directoryLease(this.#directory, this.#clock)).read()
  }

  /**
   * Frees the lease of the directory from a host that is gone for good. Make sure of that: if it is alive, both hosts
   * may change the pool at the same time and damage it.
   * @returns what the lease was before; if it was free, nothing is written
   * @throws {BlockError} `BLOCK_CLAIMED`: a program on this machine changes the pool
   */
  async breakLease(): Promise<LeaseState> {
    this.#checkUsable()
    const { directoryLease, freeLease } = leases.value ?? (await leases.load())
    const store = await directoryLease(this.#directory, this.#clock)
    const { client = UNNAMED } = this.#options
    const claim = this.device.capabilities.claim ? await this.#claim(client) : undefined
    try {
      return await freeLease(store, this.#clock)
    } finally {
      await claim?.release()
    }
  }

  /**
   * Closes it. A change under way ends first; those that wait for it reject with `RING_CLOSED`. The pool's device stays
   * open, and so do the devices of its rings. Never fails; can be called again.
   */
  async close(): Promise<void> {
    const { name } = this.device
    this.#closed ??= new RingError('RING_CLOSED', `The pool of ${name} was closed`, {
      device: name,
    })
    await this.#serial.run(async () => undefined)
  }

  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #read(): Promise<Directory> {
    this.#checkUsable()
    return this.#directory.read()
  }

  #find({ rings }: Directory, name: string): DirectoryEntry {
    checkIsText(name)
    const entry = rings.find((ring) => ring.name === name)
    if (entry === undefined) throw noRing(this.device.name, name, rings.length)
    return entry
  }

  /** Runs a change exclusively, on the directory as it is then. */
  #change<T>(change: (device: BlockDevice, now: Directory) => Promise<T>): Promise<T> {
    return this.#serial.run(async () => {
      this.#checkUsable()
      const { client = UNNAMED, lease, signal } = this.#options
      const request = lease && { ...lease, signal }
      const claim = this.device.capabilities.claim
        ? await inTurn(() => this.#claim(client), { clock: this.#clock })
        : undefined
      try {
        const { whileLeased } = leases.value ?? (await leases.load())
        return await whileLeased(this.#directory, this.#clock, request, async (device) =>
          change(device, await this.#directory.finishChange(device)),
        )
      } finally {
        await claim?.release()
      }
    })
  }

  #claim(client: string): Promise<BlockClaim> {
    const key = async (): Promise<Uint8Array> => this.#directory.uuid
    return this.device.claim(POOL_ROLE, { holder: holderOf(client), key })
  }

  async #commit(device: BlockDevice, directory: Directory): Promise<void> {
    try {
      await this.#directory.commit(device, { ...directory, generation: directory.generation + 1 })
    } catch (error) {
      if (!isBlockError(error) || error.code !== 'BLOCK_READ_ONLY') this.#poison = error
      throw error
    }
  }

  #checkUsable(): void {
    if (this.#closed !== undefined) throw this.#closed
    if (this.#poison === undefined) return
    const device = this.device.name
    throw new RingError(
      'RING_POISONED',
      `A write of the directory failed (see the cause), so the change may or may not have happened: open ${device} and its pool again`,
      { device },
      this.#poison,
    )
  }
}

function infoOf({ name, offset, bytes }: DirectoryEntry): PoolRingInfo {
  return { name, offset, sizeBytes: bytes }
}

function spaceOf(directory: Directory): Pick<PoolStatus, 'freeBytes' | 'largestFreeBytes'> {
  const gaps = gapsOf(directory).map(({ bytes }) => bytes)
  const freeBytes = gaps.reduce((sum, bytes) => sum + bytes, 0)
  return { freeBytes, largestFreeBytes: Math.max(0, ...gaps) }
}

function fullFor(device: string, directory: Directory, bytes: number): RingError {
  const { freeBytes, largestFreeBytes } = spaceOf(directory)
  return poolFull(device, bytes, freeBytes, largestFreeBytes)
}

/** Stricter than the format: different names of new rings have to look different. */
function checkName(name: string): void {
  checkIsText(name)
  const isPlain = name.trim() === name && replaceUnsafe(name, () => '') === name
  if (isPlain && isRingName(name)) return
  throw new RangeError(
    `the name of a ring has ${RING_NAME_RULE}, invisible characters, and white space at its ends, not ${JSON.stringify(name)}`,
  )
}

function checkIsText(name: unknown): void {
  if (typeof name === 'string') return
  throw new TypeError(`the name of a ring is a string, not ${shown(name)}`)
}
