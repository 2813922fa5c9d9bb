import { OverlaidBlockDevice } from '../../../block/wrap/overlaid.ts'
import type { SalvageBlockDevice } from '../../../block/wrap/salvage.ts'
import { systemClock } from '../../../clock.ts'
import { RingError } from '../../../errors.ts'
import { Findings } from '../../report/finding.ts'
import type { RepairOptions, RepairReport } from '../../report/repair.ts'
import type { Role } from '../../roles.ts'
import type { BatchHeader } from '../disk/batch.ts'
import {
  type BlockType,
  CONSUMER_SLOT,
  isBad,
  PRODUCER_SLOT,
  SUPERBLOCK,
  sealBlock,
  textOf,
} from '../disk/block.ts'
import { Disk } from '../disk/disk.ts'
import { exhausted } from '../disk/disk-errors.ts'
import { encodeGuard } from '../disk/guard.ts'
import { isCount } from '../disk/log-position.ts'
import {
  type ConsumerSlot,
  consumerSlotMisfit,
  encodeConsumerSlot,
  encodeProducerSlot,
  producerSlotMisfit,
  type Read,
  type SlotIndex,
  type Slots,
} from '../disk/slots.ts'
import { newestProducer, slotsMisfit } from '../role.ts'
import {
  checkLeases,
  checkRole,
  DISAGREE,
  guardDamage,
  readBlock,
  wrongSuperblocks,
} from './check-blocks.ts'
import { rebuildConsumer, rebuildProducer } from './rebuild.ts'
import { readSteadySlots } from './state.ts'
import { Unreadable } from './unreadable.ts'
import { openDisk } from './verify.ts'
import { planZeroes, readUpTo, type Step } from './zero-unreadable.ts'

const TYPES: Readonly<Record<Role, BlockType>> = {
  producer: PRODUCER_SLOT,
  consumer: CONSUMER_SLOT,
}
const PRODUCER_COST =
  'counts of commits and full pushes restart at 0; the last items are lost if they are damaged'
const CONSUMER_COST =
  'acknowledged items may be delivered again; counts of damaged and missed items restart at 0'

/** The part of a slot that a repair needs. */
interface Slot {
  readonly generation: number
}

/** Repairs a ring; see `repairRing`. */
export async function repair(
  device: SalvageBlockDevice,
  options: RepairOptions,
): Promise<RepairReport> {
  const left = new Findings()
  const disk = await openDisk(device, left, options)
  const write = options.write === true
  const steps = disk === undefined ? [] : await plan(device, disk, left, options)
  if (write && steps.length > 0) await carryOut(device, steps)
  const actions = steps.map(({ bytes: _, ...action }) => action)
  return { format: 2, written: write, actions, left: left.list, moreLeft: left.more }
}

async function carryOut(device: SalvageBlockDevice, steps: readonly Step[]): Promise<void> {
  const { sectorSize } = await device.getInfo()
  // The sources may be only in a volatile cache. No copy may reach the medium before its source.
  await device.flush()
  const readable = await device.firstReadable()
  if (readable !== undefined) throw readableNow(device.name, readable)
  for (const { offset, bytes } of steps) {
    await device.write(offset / sectorSize, [bytes], { durable: true })
  }
}

/** A sector that has become readable must be neither overwritten nor left out of the rebuild. */
function readableNow(device: string, sector: number): RingError {
  return new RingError(
    'RING_UNSTABLE',
    `Sector ${sector} of ${device} could not be read at first, and now can be: nothing was written; repair it again`,
    { device, sector },
  )
}

async function plan(
  device: SalvageBlockDevice,
  disk: Disk,
  left: Findings,
  options: RepairOptions,
): Promise<readonly Step[]> {
  const { layout, ring } = disk
  const end = options.zeroUnreadable === true ? ring.deviceBytes : layout.dataOffset
  await readUpTo(device, end, options)
  const damaged = new Findings()
  const steps = [...(await planFixed(disk, damaged)), ...(await planSlots(disk, damaged, options))]
  const unreadable = await Unreadable.of(device, disk)
  for (const finding of damaged.list) left.add(unreadable.explained(finding))
  for (const { offset, bytes } of steps) unreadable.cover(offset, bytes.length)
  await reportLeases(disk, unreadable, left, options)
  // Findings about unacknowledged items assume that the slots are written: without them the log cannot be found.
  const after = await Disk.of(new OverlaidBlockDevice(device, steps), disk.ring)
  return [...steps, ...(await planZeroes(device, after, unreadable, left, options))]
}

/** Reports damaged leases without repairing them: only a person can know if a host is running. */
async function reportLeases(
  disk: Disk,
  unreadable: Unreadable,
  left: Findings,
  { clock = systemClock, zeroUnreadable = false }: RepairOptions,
): Promise<void> {
  const damaged = new Findings()
  await checkLeases(disk, damaged, clock)
  // Unreadable sectors were read as zeroes, so this shows what will be damaged once zeroes are written.
  for (const each of damaged.list) left.add(zeroUnreadable ? each : unreadable.explained(each))
}

async function planFixed(disk: Disk, left: Findings): Promise<readonly Step[]> {
  const steps: Step[] = []
  if ((await guardDamage(disk)) !== undefined) steps.push(guardStep(disk))
  const wrong = await wrongSuperblocks(disk)
  const offsets = wrong.map(({ offset }) => offset)
  const sound = disk.layout.superblocks.findIndex((offset) => !offsets.includes(offset))
  const source = disk.layout.superblocks[sound]
  for (const { offset, structure, problem, disagrees } of wrong) {
    if (disagrees || source === undefined) {
      const text = textOf(problem)
      left.add({ severity: 'damage', offset, structure, problem: text, advice: DISAGREE })
    } else {
      const bytes = await copyBlock(disk, source, offset, SUPERBLOCK, 1)
      steps.push({ offset, structure, action: `copied from superblock ${sound + 1}`, bytes })
    }
  }
  return steps
}

function guardStep(disk: Disk): Step {
  const bytes = disk.device.allocate(disk.layout.superblocks[0])
  bytes.set(encodeGuard())
  return { offset: 0, structure: 'guard', action: 'written again', bytes }
}

/** A copy of a block for another offset, unknown fields included. */
async function copyBlock(
  disk: Disk,
  from: number,
  to: number,
  type: BlockType,
  generation: number,
): Promise<Uint8Array> {
  const bytes = disk.device.allocate(disk.layout.blockSize)
  bytes.set(await readBlock(disk, from))
  sealBlock(bytes, { type, offset: to, uuid: disk.ring.uuid, generation })
  return bytes
}

async function planSlots(
  disk: Disk,
  left: Findings,
  options: RepairOptions,
): Promise<readonly Step[]> {
  const { clock = systemClock, rebuild = false } = options
  const slots = await readSteadySlots(disk, clock)
  const steps: Step[] = []
  for (const role of ['producer', 'consumer'] as const) {
    if (slotsMisfit(slots, role) === undefined) steps.push(...(await copySlots(disk, role, slots)))
    else if (!rebuild) checkRole(disk, role, slots, left)
  }
  return rebuild ? [...steps, ...(await rebuildSlots(disk, slots, options))] : steps
}

/** Copies a role's valid slot over its damaged one, as the role itself would. */
async function copySlots(disk: Disk, role: Role, slots: Slots): Promise<readonly Step[]> {
  const offsets = disk.layout[`${role}Slots`]
  const [first, second]: readonly [Read<Slot>, Read<Slot>] = slots[role]
  const damaged: SlotIndex = isBad(first) ? 0 : 1
  const sound: SlotIndex = damaged === 0 ? 1 : 0
  const slot = damaged === 0 ? second : first
  if (isBad(slot) || !(isBad(first) || isBad(second))) return []
  const offset = offsets[damaged]
  // At the last generation, only a copy with an older one can be written.
  const generation = isCount(slot.generation + 1) ? slot.generation + 1 : slot.generation - 1
  const bytes = await copyBlock(disk, offsets[sound], offset, TYPES[role], generation)
  const structure = `${role} slot ${damaged + 1}`
  return [{ offset, structure, action: `copied from slot ${sound + 1}`, bytes }]
}

/** Rebuilds both slots of a role from the log if both are damaged; the producer's first. */
async function rebuildSlots(
  disk: Disk,
  slots: Slots,
  options: RepairOptions,
): Promise<readonly Step[]> {
  const { name } = disk.device
  const steps: Step[] = []
  const consumers = slots.consumer.filter((slot) => !isBad(slot)) as readonly ConsumerSlot[]
  const lost = slotsMisfit(slots, 'producer') !== undefined
  const made = lost ? await rebuildProducer(disk, consumers, options) : undefined
  const producer = made?.slot ?? newestProducer(slots.producer, name).slot
  const { uuid } = disk.ring
  if (made !== undefined) {
    const misfit = producerSlotMisfit(producer, disk.layout)
    if (misfit !== undefined) throw exhausted(name, misfit)
    const { lsn, seq } = producer.committed
    const what = `the log ends at LSN ${lsn}, with ${seq} items in all${tornText(made.torn)}`
    const encode = (block: Uint8Array, offset: number, generation: number): void =>
      encodeProducerSlot(block, offset, uuid, { ...producer, generation })
    steps.push(...rebuilt(disk, 'producer', what, PRODUCER_COST, encode))
  }
  if (slotsMisfit(slots, 'consumer') !== undefined) {
    const consumer = await rebuildConsumer(disk, producer, options)
    const misfit = consumerSlotMisfit(consumer, disk.layout)
    if (misfit !== undefined) throw exhausted(name, misfit)
    const { lsn, seq } = consumer.cursor.logPosition
    const what = `it begins at LSN ${lsn}, with item ${seq}`
    const encode = (block: Uint8Array, offset: number, generation: number): void =>
      encodeConsumerSlot(block, offset, uuid, { ...consumer, generation })
    steps.push(...rebuilt(disk, 'consumer', what, CONSUMER_COST, encode))
  }
  return steps
}

/** Describes an incomplete last batch: only a person can know if it was ever complete. */
function tornText(torn: BatchHeader | undefined): string {
  if (torn === undefined) return ''
  const { itemCount, start } = torn
  return (
    `; after that is a batch of ${itemCount} items at LSN ${start.lsn} that is incomplete: its commit was interrupted, ` +
    'or it is damaged'
  )
}

function rebuilt(
  disk: Disk,
  role: Role,
  what: string,
  cost: string,
  encode: (block: Uint8Array, offset: number, generation: number) => void,
): readonly Step[] {
  return disk.layout[`${role}Slots`].map((offset, which) => {
    const bytes = disk.device.allocate(disk.layout.blockSize)
    encode(bytes, offset, which + 1)
    const action = `rebuilt from the data area: ${what}`
    return { offset, structure: `${role} slot ${which + 1}`, action, cost, bytes }
  })
}
