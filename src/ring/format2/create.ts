import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { RingError } from '../../errors.ts'
import type { DeviceSize } from '../format.ts'
import { hasMagic } from '../format1/magic.ts'
import { type DeviceContent, describeContent, readContent } from '../report/signatures.ts'
import type { CreateOptions } from '../types.ts'
import { cursorAt } from './disk/cursor.ts'
import { encodeGuard, isGuarded } from './disk/guard.ts'
import { readSuperblocks } from './disk/identify.ts'
import {
  BLOCK_SIZES,
  DEFAULT_BLOCK_SIZE,
  dataOffset,
  type Layout,
  makeLayout,
} from './disk/layout.ts'
import { ORIGIN } from './disk/log-position.ts'
import { encodeConsumerSlot, encodeProducerSlot } from './disk/slots.ts'
import { encodeSuperblock, MAX_NAME_BYTES, type Superblock } from './disk/superblock.ts'
import { isValidCopy } from './disk/superblock-copy.ts'

const UUID_BYTES = 16

/**
 * Creates a ring of format 2 on a device without a ring. An existing ring, of either format, is never changed.
 *
 * Only the UUID distinguishes batches of earlier rings in the data area from batches of this ring. With a new UUID they
 * can remain; if the options name a UUID, an earlier ring may have had it, and they are overwritten with zeroes.
 * @param options checked already: see `checkOptions`
 * @param newUuid an identity that no other ring has
 * @returns whether a ring was created
 * @throws {RangeError} the block size is less than the device's sector
 * @throws {RingError} `RING_NOT_BLANK` if the device holds something else and `eraseOther` is not set;
 *   `RING_DEVICE_TOO_SMALL`
 */
export async function createRing(
  device: BlockDevice,
  options: CreateOptions,
  newUuid: () => Uint8Array = randomUuid,
): Promise<boolean> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const deviceBytes = sectorSize * sizeSectors
  const blockSize = blockSizeFor(sectorSize, options)
  const content = await readContent(device)
  if (await isRing(device, content, blockSize)) return false
  const layout = makeLayout(blockSize, deviceBytes, device.name)
  if (options.eraseOther !== true && !isFree(content)) {
    const found = describeContent(content)
    throw new RingError(
      'RING_NOT_BLANK',
      `${device.name} holds ${found}; nothing was written. Erase it, or overwrite it on purpose`,
      { device: device.name, expected: 'zeroes, or a ring', found },
    )
  }
  const ring: Superblock = {
    uuid: options.uuid ?? newUuid(),
    blockSize,
    deviceBytes,
    dataOffset: layout.dataOffset,
    dataBlocks: layout.dataBlocks,
    overwrites: options.onFull === 'overwrite',
    name: options.name ?? '',
  }
  if (options.uuid !== undefined) {
    const { dataOffset, dataBlocks } = layout
    await device.writeZeroes(dataOffset / sectorSize, (dataBlocks * blockSize) / sectorSize)
    await device.flush()
  }
  await writeRing(device, ring, layout, sectorSize, (options.clock ?? systemClock).time())
  return true
}

/**
 * As `Creation.checkOptions`.
 * @throws {RangeError} the block size is out of range, the name is too long, or the UUID has other than 16 bytes
 */
export function checkOptions({ blockSize, name = '', uuid }: CreateOptions): void {
  if (blockSize !== undefined && !isBlockSize(blockSize)) throw badBlockSize(blockSize)
  checkName(name)
  if (uuid !== undefined) checkUuid(uuid)
}

/**
 * As `Creation.checkSize`.
 * @throws {RangeError} as `checkOptions`
 */
export function checkSize(size: DeviceSize, options: CreateOptions): void {
  checkOptions(options)
  const { name, sectorSize, sizeSectors } = size
  makeLayout(blockSizeFor(sectorSize, options), sectorSize * sizeSectors, name)
}

function blockSizeFor(sectorSize: number, options: CreateOptions): number {
  const { blockSize = Math.max(DEFAULT_BLOCK_SIZE, sectorSize) } = options
  if (isBlockSize(blockSize) && blockSize >= sectorSize) return blockSize
  throw badBlockSize(blockSize, sectorSize)
}

function isBlockSize(blockSize: number): boolean {
  return BLOCK_SIZES.some((size) => size === blockSize)
}

function badBlockSize(blockSize: number, sectorSize?: number): RangeError {
  const least =
    sectorSize === undefined ? '512' : `${Math.max(512, sectorSize)} (the device's sector)`
  return new RangeError(
    `a block size is a power of two from ${least} to 65536, not ${String(blockSize)}`,
  )
}

function checkName(name: string): void {
  const { length } = new TextEncoder().encode(name)
  if (length <= MAX_NAME_BYTES) return
  throw new RangeError(`a ring's name has at most ${MAX_NAME_BYTES} bytes, not ${length}`)
}

function checkUuid(uuid: Uint8Array): void {
  if (uuid instanceof Uint8Array && uuid.length === UUID_BYTES) return
  throw new RangeError(`a ring's uuid has ${UUID_BYTES} bytes`)
}

function randomUuid(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(UUID_BYTES))
}

/**
 * Writes the guard first, so that older code never sees a blank device, and its magic last, because a device with
 * nothing but the magic would be a ring of format 1. The slots precede the superblocks, so a ring with a superblock is
 * complete.
 */
async function writeRing(
  device: BlockDevice,
  ring: Superblock,
  layout: Layout,
  sectorSize: number,
  time: number,
): Promise<void> {
  const put = async (offset: number, block: Uint8Array): Promise<void> => {
    await device.write(offset / sectorSize, [block])
  }
  const block = (encode: (block: Uint8Array) => void): Uint8Array => {
    const bytes = device.allocate(ring.blockSize)
    encode(bytes)
    return bytes
  }
  const guard = device.allocate(layout.superblocks[0])
  guard.set(encodeGuard())
  if (guard.length > sectorSize) {
    await put(sectorSize, guard.subarray(sectorSize))
    await device.flush()
  }
  await put(0, guard.subarray(0, sectorSize))
  await device.flush()
  const epochs = [{ epoch: 1, start: ORIGIN, span: 0 }]
  const counters = { commits: 0, fullPushes: 0, time, text: '' }
  for (const [index, offset] of layout.producerSlots.entries()) {
    const slot = {
      committed: ORIGIN,
      reach: 0,
      truncatedTo: ORIGIN,
      epochs,
      suspendAck: false,
      ...counters,
    }
    const generation = index + 1
    await put(
      offset,
      block((b) => encodeProducerSlot(b, offset, ring.uuid, { ...slot, generation })),
    )
  }
  for (const [index, offset] of layout.consumerSlots.entries()) {
    const state = { cursor: cursorAt(ORIGIN), seen: 1, suspend: false }
    const slot = {
      ...state,
      damagedItems: 0,
      missedItems: 0,
      time,
      text: '',
      generation: index + 1,
    }
    await put(
      offset,
      block((b) => encodeConsumerSlot(b, offset, ring.uuid, slot)),
    )
  }
  for (const offset of Object.values(layout.leases))
    await put(
      offset,
      block(() => {}),
    )
  await device.flush()
  for (const offset of [...layout.superblocks].reverse()) {
    await put(
      offset,
      block((b) => encodeSuperblock(b, offset, ring)),
    )
  }
  await device.flush()
}

/** True if there is a ring, of either format and in any state. It must not be touched. */
async function isRing(
  device: BlockDevice,
  content: DeviceContent,
  blockSize: number,
): Promise<boolean> {
  if (!isGuarded(content.start)) return hasMagic(content.start)
  if ((await readSuperblocks(device, await device.getInfo())).some(isValidCopy)) return true
  // A creation without a superblock was interrupted. It can have written only its own blocks.
  const rest = content.start.subarray(dataOffset(blockSize))
  return rest.some((byte) => byte !== 0)
}

/** True if nothing would be lost. */
function isFree({ firstNonZero, unfinished, start }: DeviceContent): boolean {
  return firstNonZero < 0 || unfinished === 2 || isGuarded(start)
}
