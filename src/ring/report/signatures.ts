import type { BlockDevice } from '../../block/device.ts'
import { isBlockError, RingError } from '../../errors.ts'
import { CONSUMER_SECTOR, DATA_SECTOR, MAGIC_SECTOR, PRODUCER_SECTOR } from '../format1/layout.ts'
import { isFreshPointer } from '../format1/pointer.ts'
import { isGuarded, kindInGuard, partOfGuard } from '../format2/disk/guard.ts'

/** The part of a device's start that must be zero for it to count as blank. */
export const START_BYTES: number = 1 << 20
export const END_BYTES: number = 128 << 10

/** Known content by its first bytes. Offsets are in bytes from the device's start. */
const SIGNATURES: readonly { readonly what: string; readonly at: number; readonly is: string }[] = [
  { what: 'an ext2, ext3 or ext4 file system', at: 1024 + 56, is: '\x53\xef' },
  { what: 'an XFS file system', at: 0, is: 'XFSB' },
  { what: 'a Btrfs file system', at: 65536 + 64, is: '_BHRfS_M' },
  { what: 'a LUKS encrypted volume', at: 0, is: 'LUKS\xba\xbe' },
  { what: 'an LVM physical volume', at: 512, is: 'LABELONE' },
  { what: 'swap space', at: 4096 - 10, is: 'SWAPSPACE2' },
  { what: 'a SQLite database', at: 0, is: 'SQLite format 3\0' },
  { what: 'a QEMU qcow image', at: 0, is: 'QFI\xfb' },
  { what: 'a gzip archive', at: 0, is: '\x1f\x8b' },
  { what: 'a zip archive', at: 0, is: 'PK\x03\x04' },
  { what: 'a member of a Linux RAID', at: 4096, is: '\xfc\x4e\x2b\xa9' },
  { what: 'an ISO 9660 file system', at: 32769, is: 'CD001' },
  { what: 'a Ceph BlueStore device', at: 0, is: 'bluestore block device' },
  { what: 'a GPT partition table', at: 512, is: 'EFI PART' },
  { what: 'a GPT partition table', at: 4096, is: 'EFI PART' },
  { what: 'an NTFS file system', at: 3, is: 'NTFS    ' },
  { what: 'a FAT file system', at: 54, is: 'FAT' },
  { what: 'a FAT file system', at: 82, is: 'FAT32' },
  { what: 'a shared-block-ring of another version', at: 0, is: 'mirage shared-block-device ' },
  { what: 'an MBR partition table or boot sector', at: 510, is: '\x55\xaa' },
]

/** Unknown content may begin with words that identify it. */
const TEXT = /^[\x20-\x7e]{8,}/
const TEXT_BYTES = 30
const latin1 = new TextDecoder('latin1')

/** The start of a device, and the first byte of start and end that is not zero. */
export interface DeviceContent {
  /** The first bytes: whole sectors, up to 1 MiB. */
  readonly start: Uint8Array
  /** Device offset of the first byte read that is not zero; -1 if all are zero. */
  readonly firstNonZero: number
  /** The kind of an interrupted creation, if nothing else is there. It can be created again. */
  readonly unfinished: 1 | 2 | 'pool' | undefined
}

/** The description of a blank device. */
export const BLANK = 'nothing: its first MiB and its last 128 KiB are zeroes'

/** The descriptions of an interrupted creation. */
export const UNFINISHED = {
  1: 'a ring of format 1 whose creation was interrupted',
  2: 'a ring of format 2 whose creation was interrupted',
  pool: 'a pool of rings whose creation was interrupted',
} as const

const CREATE_AGAIN = {
  1: 'create it again, of format 1',
  2: 'create it again, of format 2',
  pool: 'create the pool again: sbr pool create',
} as const

/** Reads the bytes that show if a device is blank: its first MiB and its last 128 KiB. */
export async function readContent(device: BlockDevice): Promise<DeviceContent> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const startSectors = Math.min(sizeSectors, Math.floor(START_BYTES / sectorSize))
  const start = device.allocate(startSectors * sectorSize)
  await device.read(0, [start])
  const inStart = start.findIndex((byte) => byte !== 0)
  if (inStart >= 0) {
    return { start, firstNonZero: inStart, unfinished: unfinishedFormat(start, sectorSize) }
  }

  const endSectors = Math.min(sizeSectors - startSectors, Math.floor(END_BYTES / sectorSize))
  const end = device.allocate(endSectors * sectorSize)
  await device.read(sizeSectors - endSectors, [end])
  const inEnd = end.findIndex((byte) => byte !== 0)
  const firstNonZero = inEnd < 0 ? -1 : (sizeSectors - endSectors) * sectorSize + inEnd
  return { start, firstNonZero, unfinished: undefined }
}

/** The last write of a creation completes the ring. Without it, the earlier writes are alone. */
function unfinishedFormat(start: Uint8Array, sectorSize: number): 1 | 2 | 'pool' | undefined {
  const guarded = partOfGuard(start)
  if (guarded !== undefined) return guarded === 'ring' ? 2 : 'pool'
  const sector = (index: number): Uint8Array =>
    start.subarray(index * sectorSize, (index + 1) * sectorSize)
  const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0)
  const isFresh = (index: number): boolean => isFreshPointer(sector(index)) || isZero(sector(index))
  return isZero(sector(MAGIC_SECTOR)) &&
    isFresh(PRODUCER_SECTOR) &&
    isFresh(CONSUMER_SECTOR) &&
    isZero(start.subarray(DATA_SECTOR * sectorSize))
    ? 1
    : undefined
}

/** Describes a device's apparent content. */
export function describeContent(content: DeviceContent): string {
  const { start, firstNonZero, unfinished } = content
  if (firstNonZero < 0) return BLANK
  if (unfinished !== undefined) return UNFINISHED[unfinished]
  if (isGuarded(start) && kindInGuard(start) === 'pool') return 'a pool of rings'
  const found = SIGNATURES.find(({ at, is }) =>
    Array.from(is).every((character, index) => start[at + index] === character.charCodeAt(0)),
  )
  if (found !== undefined) return found.what
  const text = TEXT.exec(latin1.decode(start.subarray(firstNonZero, firstNonZero + TEXT_BYTES)))
  return text === null
    ? `unknown data (the first byte that is not zero is at ${firstNonZero})`
    : `unknown data (${JSON.stringify(text[0])} at byte ${firstNonZero})`
}

/**
 * The error for a device without a ring of either format.
 * @returns the error, with the content found instead
 */
export async function notInitialised(device: BlockDevice): Promise<RingError> {
  const { name } = device
  const { found, help } = await inspect(device)
  return new RingError(
    'RING_NOT_INITIALISED',
    `block ring has not been initialised: expected a ring on ${name}, found ${found}; ${help}`,
    { device: name, sector: MAGIC_SECTOR, field: 'magic', expected: 'a ring', found },
  )
}

async function inspect(device: BlockDevice): Promise<{ found: string; help: string }> {
  try {
    const content = await readContent(device)
    const found = describeContent(content)
    if (content.firstNonZero < 0) {
      const help =
        'create the ring first (sbr create, or createIfMissing: true; waitForRing: true waits for its producer)'
      return { found, help }
    }
    const { unfinished } = content
    return unfinished === undefined
      ? { found, help: 'is it the right device?' }
      : { found, help: CREATE_AGAIN[unfinished] }
  } catch (error) {
    if (!isBlockError(error)) throw error
    const found = `other content, partly unreadable (${error.message})`
    return { found, help: 'is it the right device?' }
  }
}
