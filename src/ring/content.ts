import type { BlockDevice } from '../block/device.ts'

/** How much of a device's start and end has to be zero for it to be blank. */
const START_BYTES = 1 << 20
const END_BYTES = 128 << 10

/** What is known to begin with certain bytes. Offsets are in bytes from the device's start. */
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

/** The start of a device, and whether its end is zero too. */
export interface DeviceContent {
  /** The first bytes: whole sectors, up to 1 MiB. */
  readonly start: Uint8Array
  /** Byte offset on the device of the first byte that is not zero, in what was read; -1 if all is zero. */
  readonly firstNonZero: number
}

/** Reads what tells whether a device is blank: its first MiB and its last 128 KiB. */
export async function readContent(device: BlockDevice): Promise<DeviceContent> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const startSectors = Math.min(sizeSectors, Math.floor(START_BYTES / sectorSize))
  const start = device.allocate(startSectors * sectorSize)
  await device.read(0, [start])
  const inStart = start.findIndex((byte) => byte !== 0)
  if (inStart >= 0) return { start, firstNonZero: inStart }

  const endSectors = Math.min(sizeSectors - startSectors, Math.floor(END_BYTES / sectorSize))
  const end = device.allocate(endSectors * sectorSize)
  await device.read(sizeSectors - endSectors, [end])
  const inEnd = end.findIndex((byte) => byte !== 0)
  const firstNonZero = inEnd < 0 ? -1 : (sizeSectors - endSectors) * sectorSize + inEnd
  return { start, firstNonZero }
}

/** Says what a device that is not blank seems to hold, for people. */
export function describeContent(content: DeviceContent): string {
  const { start, firstNonZero } = content
  const found = SIGNATURES.find(({ at, is }) =>
    Array.from(is).every((character, index) => start[at + index] === character.charCodeAt(0)),
  )
  return found?.what ?? `unknown data (the first byte that is not zero is at ${firstNonZero})`
}
