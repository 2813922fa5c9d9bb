import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { systemClock } from '../../clock.ts'
import { checkSlots } from '../../ring/format2/check/check-blocks.ts'
import {
  firstCursor,
  isLogKnown,
  type Roles,
  readSteadySlots,
} from '../../ring/format2/check/state.ts'
import { statsOf } from '../../ring/format2/check/stats.ts'
import { parseHeader } from '../../ring/format2/disk/batch.ts'
import { formatUuid, isBad } from '../../ring/format2/disk/block.ts'
import { type Cursor, itemsBefore } from '../../ring/format2/disk/cursor.ts'
import { Disk } from '../../ring/format2/disk/disk.ts'
import { currentEpoch } from '../../ring/format2/disk/epochs.ts'
import { GUARD_BYTES } from '../../ring/format2/disk/guard.ts'
import type { Layout } from '../../ring/format2/disk/layout.ts'
import { parseLease } from '../../ring/format2/disk/lease-block.ts'
import { bytesBetween, type LogPosition } from '../../ring/format2/disk/log-position.ts'
import {
  parseConsumerSlot,
  parseProducerSlot,
  type Read,
  type Slots,
} from '../../ring/format2/disk/slots.ts'
import { replay } from '../../ring/format2/log/replay.ts'
import { toPosition, toText } from '../../ring/format2/position.ts'
import { newestConsumer, newestProducer } from '../../ring/format2/role.ts'
import type { LeaseState } from '../../ring/lease-types.ts'
import { type Finding, Findings } from '../../ring/report/finding.ts'
import { ROLES, type Role } from '../../ring/roles.ts'
import { describeLease } from '../../text/lease.ts'
import type { Damage, EpochMark, Part } from '../snapshot.ts'
import type { DeviceSeen, FormatWatch } from './format-watch.ts'
import { bufferOf, Remembered } from './remembered.ts'
import { RingDamage } from './ring-damage.ts'
import type { Scratch } from './scratch.ts'

/**
 * After QUIET_LOOKS looks without a change, only one look in QUIET_READ_EVERY reads the end of the log too: a producer
 * that begins to push writes its slot as soon as it pauses.
 */
const QUIET_LOOKS = 8
const QUIET_READ_EVERY = 4
/**
 * A batch that is half written, or not committed yet, may be completed by blocks after its first. It is read again
 * after this time, which doubles each time that the batch is unchanged.
 */
const RECHECK_MS = 250
const MAX_RECHECK_MS = 30_000
/** The most epochs that the map marks. */
const MOST_EPOCHS = 24
const NO_FINDINGS: readonly Finding[] = []

/** Decodes a slot that was read at an offset. */
type Parse<Slot> = (
  block: Uint8Array,
  offset: number,
  uuid: Uint8Array,
  layout: Layout,
) => Read<Slot>

type Leases = Readonly<Record<Role, LeaseState>>

/** The content of the slots and the leases. They are read together, and decoded only when they have changed. */
interface Control {
  readonly slots: Slots
  /** Undefined if both slots of a role are damaged. */
  readonly roles: (Roles & { readonly which: Readonly<Record<Role, number>> }) | undefined
  readonly leases: Leases
  readonly findings: readonly Finding[]
}

/** The end of the log, as far as it has been followed. */
interface Tail {
  /** The generation of the producer's slot from which it was followed. */
  readonly generation: number
  readonly logPosition: LogPosition
  readonly commits: number
  /** The write time of the last batch. */
  readonly time: number
}

/** A search reads pieces of this size: larger ones would be faster, but a server would keep their memory forever. */
const SEARCH_BYTES = 1 << 17

/**
 * Looks at a ring of format 2 again and again. Each look reads the slots and leases in one small request, and one or
 * two blocks where the log ended at the last look. It reads more only if the log has grown.
 */
export class Format2Watch implements FormatWatch {
  readonly key: Uint8Array
  readonly #device: SalvageBlockDevice
  readonly #disk: Disk
  readonly #deviceBytes: number
  readonly #uuid: string
  /** The bytes of each slot and of the leases that were last decoded, and the block after the end of the log. */
  readonly #known = {
    slots: [new Remembered(), new Remembered(), new Remembered(), new Remembered()] as const,
    leases: new Remembered(),
    end: new Remembered(),
  }
  /** The distance from one slot to the next, in bytes. */
  readonly #slotBytes: number
  readonly #controlBytes: number
  readonly #fixedParts: readonly Part[]
  readonly #damage: RingDamage
  #endLsn = -1
  /** The batch that begins in that block is read again at this time. Undefined if no batch begins there. */
  #incomplete: { readonly pauseMs: number; readonly at: number } | undefined
  #control: Control | undefined
  #tail: Tail | undefined
  #oldest: { readonly lsn: number; readonly time: number | undefined } | undefined
  /** The number of looks since the last change. */
  #quiet = 0
  #seen:
    | {
        readonly control: Control
        readonly tail: Tail | undefined
        readonly damage: readonly Damage[]
        readonly view: DeviceSeen
      }
    | undefined

  private constructor(device: SalvageBlockDevice, disk: Disk, deviceBytes: number) {
    const { slots, leases, producerSlots } = disk.layout
    this.#slotBytes = producerSlots[1] - producerSlots[0]
    this.#controlBytes = leases.consumer + this.#slotBytes - slots.offset
    this.#fixedParts = fixedParts(disk)
    this.#damage = new RingDamage(device, disk)
    this.key = disk.ring.uuid
    this.#device = device
    this.#disk = disk
    this.#deviceBytes = deviceBytes
    this.#uuid = formatUuid(disk.ring.uuid)
  }

  /** @throws as `Disk.open` */
  static async open(device: SalvageBlockDevice): Promise<Format2Watch> {
    const { sectorSize, sizeSectors } = await device.getInfo()
    return new Format2Watch(device, await Disk.open(device), sectorSize * sizeSectors)
  }

  async look(signal: AbortSignal, scratch: Scratch): Promise<DeviceSeen> {
    const control = await this.#readControl(scratch)
    const tail = control.roles && (await this.#follow(control, control.roles, { signal, scratch }))
    const damage = await this.#damage.in(control.findings)
    const known = this.#seen
    if (known?.control === control && known.tail === tail && known.damage === damage)
      return known.view
    const view = await this.#view(control, tail, damage)
    this.#seen = { control, tail, damage, view }
    return view
  }

  lookNow(): DeviceSeen | undefined {
    const seen = this.#seen
    if (seen === undefined || seen.control !== this.#control || this.#damage.isCheckDue)
      return undefined
    if (this.#isRecheckDue) return undefined
    const { slots } = this.#disk.layout
    const control = this.#disk.readNow(slots.offset, this.#controlBytes)
    if (control === undefined || !this.#isControlAsBefore(control)) return undefined
    if (seen.tail === undefined || this.#skipsEnd()) return seen.view
    const { lsn } = seen.tail.logPosition
    const end = this.#disk.readNow(this.#disk.offsetOf(lsn), this.#disk.layout.blockSize)
    if (end !== undefined && this.#endLsn === lsn && this.#known.end.equals(end)) return seen.view
    this.#quiet = 0
    return undefined
  }

  async #view(
    control: Control,
    tail: Tail | undefined,
    damage: readonly Damage[],
  ): Promise<DeviceSeen> {
    const { layout, ring } = this.#disk
    const { blockSize, dataBlocks } = layout
    const log = control.roles && tail && (await this.#logOf(control.roles, tail))
    const { producer, consumer } = control.leases
    return {
      format: 2,
      ring: {
        uuid: this.#uuid,
        name: ring.name,
        blockSize,
        onFull: ring.overwrites ? 'overwrite' : 'wait',
      },
      deviceBytes: this.#deviceBytes,
      parts: this.#parts(control),
      data: { offset: layout.dataOffset, bytes: dataBlocks * blockSize },
      epochs: [],
      suspended: 'no',
      ...log,
      producer: { text: '', ...log?.producer, lease: producer },
      consumer: { text: '', ...log?.consumer, lease: consumer },
      damage,
    }
  }

  async #readControl(scratch: Scratch): Promise<Control> {
    const bytes = scratch.memory(this.#device, this.#controlBytes)
    await this.#device.read(this.#disk.sectorOf(this.#disk.layout.slots.offset), [bytes])
    const known = this.#control
    if (known !== undefined && this.#isControlAsBefore(bytes)) return known
    const first = this.#slotsIn(bytes, known?.slots)
    // A slot may be half written: it is damaged only if it does not change.
    const isTorn = [...first.producer, ...first.consumer].some(isBad)
    const slots = isTorn ? await readSteadySlots(this.#disk, systemClock) : first
    const findings = new Findings()
    checkSlots(this.#disk, slots, findings)
    const at = this.#disk.layout.slots.bytes
    const control = {
      slots,
      roles: isLogKnown(slots) ? rolesIn(slots, this.#disk) : undefined,
      leases:
        known !== undefined && this.#known.leases.isAt(bufferOf(bytes), at)
          ? known.leases
          : this.#leasesIn(bytes),
      findings: findings.list.length === 0 ? NO_FINDINGS : findings.list,
    }
    // The bytes are kept only once all of them were decoded. Otherwise the next look decodes them again.
    const { slots: knownSlots, leases } = this.#known
    const size = this.#slotBytes
    knownSlots.forEach((slot, index) => {
      slot.set(bytes.subarray(index * size, (index + 1) * size))
    })
    leases.set(bytes.subarray(at))
    this.#control = control
    return control
  }

  #isControlAsBefore(bytes: Uint8Array): boolean {
    const buffer = bufferOf(bytes)
    const { slots, leases } = this.#known
    for (let index = 0; index < slots.length; index++)
      if (!this.#isSlotAsBefore(buffer, index)) return false
    return leases.isAt(buffer, this.#disk.layout.slots.bytes)
  }

  #isSlotAsBefore(buffer: Buffer, index: number): boolean {
    return this.#known.slots[index]?.isAt(buffer, index * this.#slotBytes) === true
  }

  /** Decodes the slots that have changed since the last look; usually that is only one. */
  #slotsIn(bytes: Uint8Array, before: Slots | undefined): Slots {
    const { layout, ring } = this.#disk
    const buffer = bufferOf(bytes)
    const slotAt = <Slot>(index: number, known: Read<Slot> | undefined, parse: Parse<Slot>) => {
      if (known !== undefined && this.#isSlotAsBefore(buffer, index)) return known
      const at = index * this.#slotBytes
      const block = bytes.subarray(at, at + layout.blockSize)
      return parse(block, layout.slots.offset + at, ring.uuid, layout)
    }
    return {
      producer: [
        slotAt(0, before?.producer[0], parseProducerSlot),
        slotAt(1, before?.producer[1], parseProducerSlot),
      ],
      consumer: [
        slotAt(2, before?.consumer[0], parseConsumerSlot),
        slotAt(3, before?.consumer[1], parseConsumerSlot),
      ],
    }
  }

  #leasesIn(bytes: Uint8Array): Leases {
    const { slots, leases, blockSize } = this.#disk.layout
    const read = (role: Role): LeaseState => {
      const at = leases[role] - slots.offset
      return parseLease(bytes.subarray(at, at + blockSize), leases[role], this.#disk.ring.uuid)
    }
    return { producer: read('producer'), consumer: read('consumer') }
  }

  #parts({ slots, roles, leases }: Control): readonly Part[] {
    const { layout } = this.#disk
    const bytes = layout.blockSize
    const ofRoles = ROLES.flatMap((role): readonly Part[] =>
      layout[`${role}Slots`].map((offset, which) => {
        const slot = slots[role][which === 0 ? 0 : 1]
        const note = isBad(slot) ? 'damaged' : `generation ${slot.generation}`
        const name = `${role} slot ${which + 1}`
        return { kind: 'slot', name, offset, bytes, note, current: roles?.which[role] === which }
      }),
    )
    const leaseParts = ROLES.map((role): Part => {
      const lease = leases[role]
      const part = { kind: 'lease', name: `${role} lease`, offset: layout.leases[role] } as const
      return { ...part, bytes, note: describeLease(lease), current: lease.status === 'held' }
    })
    const all = [...this.#fixedParts, ...ofRoles, ...leaseParts]
    return all.toSorted((a, b) => a.offset - b.offset)
  }

  async #logOf(roles: Roles, tail: Tail): Promise<LogOfRing> {
    const { producer, consumer } = roles
    const { blockSize } = this.#disk.layout
    const { logPosition: end } = tail
    const first = firstCursor(roles)
    const waitingItems = Math.max(0, end.seq - itemsBefore(first))
    const oldestAt = waitingItems === 0 ? undefined : await this.#timeAt(first)
    const { epoch } = currentEpoch(producer.epochs)
    return {
      log: {
        used: Math.max(0, end.lsn - first.logPosition.lsn) * blockSize,
        head: this.#disk.offsetOf(first.logPosition.lsn),
        tail: this.#disk.offsetOf(end.lsn),
      },
      epochs: this.#epochsIn(roles, first, end),
      epoch,
      waitingItems,
      waitingBytes: waitingItems === 0 ? 0 : bytesBetween(first.bytes, end.bytes),
      stats: statsOf(roles, tail, oldestAt),
      producer: {
        position: toText(toPosition(epoch, end.seq)),
        text: producer.text,
        writtenAt: Math.max(producer.time, tail.time),
      },
      consumer: {
        position: toText(toPosition(Math.min(epoch, consumer.seen), itemsBefore(consumer.cursor))),
        text: consumer.text,
        writtenAt: consumer.time,
      },
      suspended: producer.suspendAck ? 'yes' : consumer.suspend ? 'requested' : 'no',
    }
  }

  /** Follows the log to its end: from where it ended the last time, or from the producer's slot if that is newer. */
  async #follow(
    control: Control,
    { producer }: Roles,
    { signal, scratch }: { readonly signal: AbortSignal; readonly scratch: Scratch },
  ): Promise<Tail> {
    const { generation, committed, reach, epochs } = producer
    const isQuiet = control === this.#seen?.control
    const known = this.#tail?.generation === generation ? this.#tail : undefined
    if (known !== undefined && isQuiet && !this.#isRecheckDue && this.#skipsEnd()) return known
    if (known !== undefined && (await this.#isEndAsBefore(known, scratch))) return known
    const from = known ?? { generation, logPosition: committed, commits: 0, time: 0 }
    const checkpoint = { committed: from.logPosition, reach, epochs }
    // Searching past damage takes long, and the next checkpoint shows the same: only the first look searches.
    const searchesBehind = this.#tail === undefined
    const searchMemory = (bytes: number) =>
      scratch.memory(this.#device, Math.min(bytes, SEARCH_BYTES))
    const found = await replay(this.#disk, checkpoint, { searchesBehind, signal, searchMemory })
    if (known !== undefined && found.commits === 0) return known
    this.#quiet = 0
    this.#tail = {
      generation,
      logPosition: found.logPosition,
      commits: from.commits + found.commits,
      time: found.time ?? from.time,
    }
    return this.#tail
  }

  /** True if this look, which found the slots unchanged, skips the end of the log. */
  #skipsEnd(): boolean {
    return ++this.#quiet > QUIET_LOOKS && this.#quiet % QUIET_READ_EVERY !== 0
  }

  /**
   * True if the block where the next batch would begin is unchanged since the last look, and no batch in it may have
   * been completed.
   */
  async #isEndAsBefore({ logPosition: { lsn } }: Tail, scratch: Scratch): Promise<boolean> {
    const end = scratch.memory(this.#device, this.#disk.layout.blockSize)
    await this.#disk.readInto(lsn, end)
    const isSame = this.#endLsn === lsn && this.#known.end.equals(end)
    if (isSame && !this.#isRecheckDue) return true
    const { uuid, layout } = this.#disk
    const waited = isSame ? this.#incomplete?.pauseMs : undefined
    const pauseMs = waited === undefined ? RECHECK_MS : Math.min(2 * waited, MAX_RECHECK_MS)
    const isBatch = parseHeader(end, lsn, uuid, layout) !== undefined
    this.#incomplete = isBatch ? { pauseMs, at: systemClock.now() + pauseMs } : undefined
    this.#endLsn = lsn
    if (!isSame) this.#known.end.set(end)
    return false
  }

  get #isRecheckDue(): boolean {
    return this.#incomplete !== undefined && systemClock.now() >= this.#incomplete.at
  }

  /** The write time of the batch at a cursor, if it is sound. */
  async #timeAt({ logPosition: { lsn } }: Cursor): Promise<number | undefined> {
    if (this.#oldest?.lsn === lsn) return this.#oldest.time
    const block = await this.#disk.readBlocks(lsn, 1)
    const time = parseHeader(block, lsn, this.#disk.uuid, this.#disk.layout)?.time
    this.#oldest = { lsn, time }
    return time
  }

  #epochsIn({ producer }: Roles, first: Cursor, end: LogPosition): readonly EpochMark[] {
    return producer.epochs
      .filter(({ start }) => start.lsn >= first.logPosition.lsn && start.lsn <= end.lsn)
      .slice(-MOST_EPOCHS)
      .map(({ epoch, start }) => ({ epoch, offset: this.#disk.offsetOf(start.lsn) }))
  }
}

/** The part of a snapshot that comes from the slots and the log. */
type LogOfRing = Pick<
  DeviceSeen,
  | 'log'
  | 'epochs'
  | 'epoch'
  | 'waitingItems'
  | 'waitingBytes'
  | 'stats'
  | 'producer'
  | 'consumer'
  | 'suspended'
>

/** The guard and the superblocks. */
function fixedParts({ layout }: Disk): readonly Part[] {
  const guard = { offset: 0, bytes: GUARD_BYTES, note: 'keeps older programs away' }
  const superblocks = layout.superblocks.map(
    (offset, index): Part => ({
      ...{ kind: 'superblock', name: `superblock ${index + 1}`, offset, bytes: layout.blockSize },
      ...{ note: 'what the ring was made with', current: false },
    }),
  )
  return [{ kind: 'guard', name: 'guard', ...guard, current: false }, ...superblocks]
}

function rolesIn({ producer, consumer }: Slots, { device }: Disk): Control['roles'] {
  const newest = {
    producer: newestProducer(producer, device.name),
    consumer: newestConsumer(consumer, device.name),
  }
  return {
    producer: newest.producer.slot,
    consumer: newest.consumer.slot,
    which: { producer: newest.producer.which, consumer: newest.consumer.which },
  }
}
