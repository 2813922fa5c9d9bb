import { RingError } from '../../errors.ts'
import type { Role } from '../roles.ts'
import { BaseRole, isRefusal } from '../shared/base-role.ts'
import type { Claimed } from '../shared/claim-role.ts'
import type { DebugInfo } from '../types.ts'
import { frontBytes } from './disk/batch.ts'
import { type BadBlock, formatUuid, isBad } from './disk/block.ts'
import { itemsBefore } from './disk/cursor.ts'
import { Disk } from './disk/disk.ts'
import type { Layout } from './disk/layout.ts'
import type { LogPosition } from './disk/log-position.ts'
import {
  type ConsumerSlot,
  consumerSlotsMisfit,
  type ProducerSlot,
  producerSlotsMisfit,
  type Read,
  type SlotIndex,
  type Slots,
} from './disk/slots.ts'
import type { SlotPair } from './slot-pair.ts'

/** A role that is idle for this long checkpoints. */
export const IDLE_MS = 50
/** The pause before the next attempt after the device refused a write. */
const REFUSED_MS = 1000
/** The most readings until two agree. */
export const MAX_PASSES = 16

/** The largest item: a batch of its own, with one block left for the marker that commits it. */
export function maxItemBytes({ dataBlocks, blockSize }: Layout): number {
  const most = (dataBlocks - 1) * blockSize
  return Math.min(most - frontBytes(1, most), 2 ** 32 - 2 ** 16)
}

/** A role's newest slot, and which of the two it is. */
export interface Newest<Slot> {
  readonly slot: Slot
  readonly which: SlotIndex
  /** The other one, which is written next. */
  readonly older: SlotIndex
}

/**
 * The producer's valid slot with the higher generation.
 * @throws {RingError} `RING_CORRUPT` if neither is valid, or they contradict each other
 */
export function newestProducer(slots: Slots['producer'], device: string): Newest<ProducerSlot> {
  return newest(slots, 'producer', device, producerSlotsMisfit)
}

/** As `newestProducer`. */
export function newestConsumer(slots: Slots['consumer'], device: string): Newest<ConsumerSlot> {
  return newest(slots, 'consumer', device, consumerSlotsMisfit)
}

function newest<Slot extends Generation>(
  pair: Pair<Slot>,
  role: Role,
  device: string,
  misfit: (older: Slot, newer: Slot) => BadBlock | undefined,
): Newest<Slot> {
  const problem = pairMisfit(pair, misfit)
  if (problem !== undefined) throw damagedSlots(role, device, problem)
  const [first, second] = pair
  const which = isBad(second) || (!isBad(first) && first.generation > second.generation) ? 0 : 1
  // At least one is valid, and this is it.
  return { slot: pair[which] as Slot, which, older: which === 0 ? 1 : 0 }
}

/** The reason why a role's slots are unusable: neither is valid, or they contradict each other. */
export function slotsMisfit(slots: Slots, role: Role): BadBlock | undefined {
  return role === 'producer'
    ? pairMisfit(slots.producer, producerSlotsMisfit)
    : pairMisfit(slots.consumer, consumerSlotsMisfit)
}

interface Generation {
  readonly generation: number
}
type Pair<Slot> = readonly [Read<Slot>, Read<Slot>]

function pairMisfit<Slot extends Generation>(
  [first, second]: Pair<Slot>,
  misfit: (older: Slot, newer: Slot) => BadBlock | undefined,
): BadBlock | undefined {
  if (isBad(first)) return isBad(second) ? first : undefined
  if (isBad(second)) return undefined
  return first.generation > second.generation ? misfit(second, first) : misfit(first, second)
}

function damagedSlots(role: string, device: string, bad: BadBlock): RingError {
  const { field, expected, found } = bad
  return new RingError(
    'RING_CORRUPT',
    `The slots of the ${role} on ${device} are invalid: field ${field}: expected ${expected}, found ` +
      `${found}; they can be rebuilt from the log: sbr repair ${device} --rebuild`,
    { device, field: `${role} slot ${field}`, expected, found },
  )
}

/** The common part of both roles of format 2. */
export abstract class Format2Role extends BaseRole {
  override readonly format = 2
  override readonly capacityBytes: number
  override readonly maxItemBytes: number
  override readonly onFull: 'wait' | 'overwrite'
  protected readonly disk: Disk
  readonly #idle = new AbortController()
  #activity = 0
  #idling: Promise<void> | undefined

  constructor(claimed: Claimed, disk: Disk) {
    super(claimed)
    this.disk = disk
    this.capacityBytes = disk.layout.dataBlocks * disk.layout.blockSize
    this.maxItemBytes = Math.min(claimed.maxItemBytes, maxItemBytes(disk.layout))
    this.onFull = disk.ring.overwrites ? 'overwrite' : 'wait'
  }

  override debugInfo(): Promise<DebugInfo> {
    return this.run(async () => {
      const slots = await this.disk.readSlots()
      return debugInfo(
        newestProducer(slots.producer, this.device.name).slot,
        newestConsumer(slots.consumer, this.device.name).slot,
      )
    })
  }

  protected logOffsetOf({ lsn }: LogPosition): bigint {
    return BigInt(lsn) * BigInt(this.disk.layout.blockSize)
  }

  /** Brings the slots up to date if necessary. */
  protected abstract checkpointIfBehind(): Promise<void>

  /** Checkpoints once the role has been idle for a while. */
  protected checkpointWhenIdle(): void {
    this.#activity++
    this.#idling ??= this.#waitIdle(IDLE_MS)
  }

  protected override async doClose(): Promise<void> {
    this.#idle.abort()
    await this.checkpointIfBehind()
  }

  async #waitIdle(ms: number): Promise<void> {
    try {
      let activity: number
      do {
        activity = this.#activity
        await this.clock.sleep(ms, this.#idle.signal, { background: true })
      } while (activity !== this.#activity)
      this.#idling = undefined
      await this.run(() => this.checkpointIfBehind())
    } catch (error) {
      // The role was closed meanwhile, or the handle ended, and its next call throws.
      if (isRefusal(error)) this.#idling ??= this.#waitIdle(REFUSED_MS)
    }
  }

  /**
   * Compares our own slots with what we wrote into them.
   * @returns the slots to write again with the current state, because they are damaged or their write was lost; the
   *   other one may have acknowledged more already
   * @throws {RingError} `RING_ROLE_CONFLICT`; as `Disk.open`, if the ring is gone
   */
  protected async checkOwn<Slot extends { readonly generation: number }>(
    role: Role,
    own: SlotPair<Slot>,
    found: readonly [Read<Slot>, Read<Slot>],
  ): Promise<readonly SlotIndex[]> {
    const { lost, foreign } = own.compare(found)
    if (foreign !== undefined) {
      const { producerSlots, consumerSlots } = this.disk.layout
      const offsets = role === 'producer' ? producerSlots : consumerSlots
      const sector = this.disk.sectorOf(offsets[foreign.which])
      const expected = `generation ${own.newest.generation} at most, as this handle left it`
      throw await this.conflict(role, sector, expected, `generation ${foreign.generation}`)
    }
    // Damage of both is rare. More likely another ring, or none, has replaced this one.
    if (lost.length === 2) await this.#checkRing(role)
    return lost
  }

  /** Checks that the device still holds the ring that we attached to. */
  async #checkRing(role: Role): Promise<void> {
    const { ring } = await Disk.open(this.device).catch((error: unknown) => {
      throw this.poisonWith(error)
    })
    const expected = formatUuid(this.disk.ring.uuid)
    const found = formatUuid(ring.uuid)
    if (found !== expected) {
      const [first] = this.disk.layout.superblocks
      throw await this.conflict(
        role,
        this.disk.sectorOf(first),
        `the ring ${expected}`,
        `the ring ${found}`,
      )
    }
  }
}

/** The slots as text, under the original's keys. */
export function debugInfo(producer: ProducerSlot, consumer: ConsumerSlot): DebugInfo {
  return {
    'producer/offset': String(producer.committed.seq),
    'producer/suspend_ack': producer.suspendAck ? '1' : '2',
    'consumer/offset': String(itemsBefore(consumer.cursor)),
    'consumer/suspend': consumer.suspend ? '1' : '2',
  }
}
