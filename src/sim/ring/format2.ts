import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { inspect } from '../../ring/format2/check/inspect.ts'
import { attachConsumer } from '../../ring/format2/consumer.ts'
import { createRing } from '../../ring/format2/create.ts'
import { makeLayout } from '../../ring/format2/disk/layout.ts'
import { fromPosition } from '../../ring/format2/position.ts'
import { attachProducer } from '../../ring/format2/producer.ts'
import { IDLE_MS } from '../../ring/format2/role.ts'
import type { CreateOptions } from '../../ring/types.ts'
import type { FaultKind } from '../world/faults.ts'
import type { Random } from '../world/random.ts'
import type { Guarantees, RingUnderTest, Shape } from './guarantees.ts'
import { checkUnplanted, plant } from './supplier.ts'

/** Faults that no format can mask: losses have to be reported, if they can be known at all. */
const NOT_MASKED: readonly FaultKind[] = [
  'latent',
  'rollback',
  'lostWrite',
  'misdirectedWrite',
  'misdirectedRead',
  'staleRead',
  'stalePage',
  'lateWrite',
]

const SECTOR_BYTES = 512

/**
 * Format 2, and what it guarantees: lossless under everything that an honest device does, power cuts that tear
 * blocks and silent loss of the cache included. After one flipped bit, it reports what is lost, except for the last
 * commit. Under all other faults, what it delivers was pushed, byte for byte, what is missing in between is reported,
 * and errors are typed.
 */
export const format2: RingUnderTest = ring('2', {})

/** The same, but it overwrites the oldest items when it is full, and reports how many. */
export const format2Overwrite: RingUnderTest = ring('2-overwrite', { onFull: 'overwrite' })

/** Format 2, whose consumer is a `RingReader` that acknowledges in any order. */
export const format2Reader: RingUnderTest = { ...format2, name: '2-reader', reader: 'entries' }
/** {@link format2Overwrite} with such a consumer. */
export const format2OverwriteReader: RingUnderTest = {
  ...format2Overwrite,
  name: '2-overwrite-reader',
  reader: 'entries',
}

/** Format 2, with an adversary whose items try to pass for structures of the ring. */
export const format2Hostile: RingUnderTest = {
  ...ring('2-hostile', {}),
  supplier: { plant, check: checkUnplanted },
}

/** The last, and the one that overwrites, whose consumer calls `process`. */
export const format2Work: RingUnderTest = { ...format2Hostile, name: '2-work', reader: 'work' }
export const format2OverwriteWork: RingUnderTest = {
  ...format2Overwrite,
  name: '2-overwrite-work',
  reader: 'work',
}

function ring(name: string, more: CreateOptions): RingUnderTest {
  const overwrites = more.onFull === 'overwrite'
  const create = (device: BlockDevice, shape: Shape, clock: Clock, uuid: number, all = more) =>
    createRing(device, { ...all, clock, blockSize: shape.blockSize ?? shape.sectorSize }, () =>
      new Uint8Array(16).fill(uuid),
    )
  return {
    name,
    create: (device, shape, clock) =>
      create(device, shape, clock, 7, { ...more, eraseOther: true }),
    use: async (device, shape, clock, random) => {
      await create(device, shape, clock, 9)
      await fill(device, clock, random)
      await erase(device, shape)
    },
    attachProducer: (device, options) => attachProducer(device, options),
    attachConsumer: (device, options) => attachConsumer(device, options),
    guarantees: (faults) => guarantees(faults, overwrites),
    shape,
    depth: async (device) => {
      const { waitingItems, waitingBytes } = await inspect(device)
      return { items: waitingItems ?? Number.NaN, bytes: waitingBytes ?? Number.NaN }
    },
    past: async function* (device, which) {
      const { newest, consumed } = await inspect(device)
      yield* which === 'waiting' ? newest() : consumed()
    },
    itemsUpTo: (position) => fromPosition(position).seq,
    depthBytes: (bytes) => bytes,
  }
}

function guarantees(faults: ReadonlySet<FaultKind>, overwrites: boolean): Guarantees {
  const flips = faults.has('rot') && faults.has('once')
  const masked = !NOT_MASKED.some((kind) => faults.has(kind)) && (flips || !faults.has('rot'))
  return {
    lossless: masked,
    losses: { overwritten: overwrites, damaged: flips },
    // A flipped bit costs the item that it is in.
    damagedAtOnce: masked && flips ? 1 : Number.POSITIVE_INFINITY,
    authentic: !faults.has('rollback'),
    errors: errors(faults, masked),
    attachTakesOver: false,
    // Longer than a handle is idle before it checkpoints.
    quietMs: 2 * IDLE_MS + 12,
    attachRequests: 300,
  }
}

function errors(faults: ReadonlySet<FaultKind>, masked: boolean): ReadonlySet<string> {
  const codes = new Set<string>()
  const failing: readonly FaultKind[] = ['readError', 'writeError', 'flushError', 'reset', 'latent']
  if (failing.some((kind) => faults.has(kind))) codes.add('BLOCK_IO')
  const taken: readonly FaultKind[] = ['secondHandle', 'lateWrite', 'silentReset', 'reset']
  if (taken.some((kind) => faults.has(kind))) codes.add('RING_ROLE_CONFLICT')
  // A consumer's slot that was read from a cache is lost with it, and so is the room that it freed: the advance is
  // refused, and can be repeated.
  const forgetting: readonly FaultKind[] = ['silentReset', 'reset']
  if (forgetting.some((kind) => faults.has(kind))) codes.add('RING_NO_ROOM')
  if (faults.has('rot') || !masked) codes.add('RING_DAMAGED')
  // A page that is older than the disk can only hide what is new, or look damaged.
  const lying = NOT_MASKED.filter((kind) => kind !== 'stalePage')
  if (lying.some((kind) => faults.has(kind)) || (faults.has('rot') && !masked)) {
    const more = ['RING_CORRUPT', 'RING_NO_ROOM', 'RING_UNSTABLE', 'RING_ROLE_CONFLICT']
    for (const code of [...more, 'RING_NOT_INITIALISED', 'RangeError']) codes.add(code)
  }
  return codes
}

/** Blocks of one sector, or of several: these can be torn. */
function shape(random: Random, tornSector: boolean): Shape {
  const blockSize = random.pick(tornSector ? [1024, 4096] : [512, 512, 512, 512, 1024, 4096])
  const { dataOffset, superblocks } = makeLayout(blockSize, 1 << 20, 'sim')
  const unit = superblocks[1] - superblocks[0]
  const units = blockSize < unit ? random.pick([1, 1, 2]) * Math.max(1, blockSize / 512) : 6
  return {
    blockSize,
    sectorSize: SECTOR_BYTES,
    sizeSectors: (dataOffset + (units + 1) * unit) / SECTOR_BYTES,
    physicalSectorSize: tornSector ? SECTOR_BYTES : SECTOR_BYTES * random.pick([1, 1, 8]),
  }
}

/** Writes items until the log is full, or has wrapped a few times. */
async function fill(device: BlockDevice, clock: Clock, random: Random): Promise<void> {
  const attached = await attachProducer(device, { clock })
  if (attached.status !== 'attached') return
  const consumer = await attachConsumer(device, { clock })
  const batches = random.between(1, 30)
  for (let batch = 0; batch < batches; batch++) {
    await attached.producer.append([new Uint8Array(random.between(3, 900)).fill(batch)])
    const last = (await consumer.popMany()).at(-1)
    if (last !== undefined && batches > 10) await consumer.advance(last.position)
  }
  await attached.producer.close()
  await consumer.close()
}

/** Erases everything that says that there is a ring, but not the log. */
async function erase(device: BlockDevice, shape: Shape): Promise<void> {
  const { sectorSize, sizeSectors } = shape
  const { dataOffset, superblocks } = makeLayout(
    shape.blockSize ?? sectorSize,
    sizeSectors * sectorSize,
    'sim',
  )
  await device.write(0, [device.allocate(dataOffset)])
  await device.write(superblocks[2] / sectorSize, [device.allocate(shape.blockSize ?? sectorSize)])
}
