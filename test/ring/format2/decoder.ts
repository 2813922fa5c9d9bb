/**
 * Reads the items that wait in an image of format 2. Written from FORMAT.md alone: it shares no code with the package,
 * so that both cannot be wrong in the same way.
 */
export function decode(image: Uint8Array): Uint8Array[] {
  const disk = new Reader(image)
  const ring = superblock(disk)
  const { blockSize, unit, first } = ring
  const producer = newest(disk, first + 2 * unit, unit, blockSize, 2)
  const consumer = newest(disk, first + 4 * unit, unit, blockSize, 3)
  const epochs = Array.from({ length: disk.u16(producer + 110) }, (_, index) => ({
    number: disk.u64(producer + 248 + index * 40),
    ...markAt(disk, producer + 256 + index * 40),
    span: disk.u32(producer + 248 + index * 40 + 36),
  }))
  const head = markAt(disk, producer + 152)
  let logPosition = markAt(disk, consumer + 72)
  let skip = disk.u32(consumer + 104)
  if (logPosition.lsn < head.lsn) {
    logPosition = head
    skip = 0
  }
  const from = logPosition.seq + skip
  let items: { readonly seq: number; readonly bytes: Uint8Array }[] = []
  let committedTo = logPosition.seq
  for (;;) {
    const epoch = epochs.find(({ lsn }) => lsn === logPosition.lsn)
    if (epoch !== undefined) {
      // Uncommitted items before it are dropped.
      logPosition = epoch
      items = items.filter(({ seq }) => seq < epoch.seq)
    }
    const batch = batchAt(disk, ring, logPosition)
    const entry = epochs.findLast(({ lsn }) => lsn <= logPosition.lsn)
    if (batch === undefined) break
    if (entry !== undefined && !allows(entry, batch.epoch)) break
    for (const bytes of batch.items)
      items.push({ seq: logPosition.seq + batch.items.indexOf(bytes), bytes })
    committedTo = Math.max(committedTo, batch.committedTo)
    logPosition = batch.end
  }
  return items.filter(({ seq }) => seq >= from && seq < committedTo).map(({ bytes }) => bytes)
}

function allows(
  { number, span }: { readonly number: number; readonly span: number },
  epoch: number,
): boolean {
  return epoch <= number && epoch >= number - span
}

interface Mark {
  readonly lsn: number
  readonly seq: number
  readonly bytes: number
  readonly crc: number
}

interface Ring {
  readonly first: number
  readonly unit: number
  readonly blockSize: number
  readonly dataOffset: number
  readonly dataBlocks: number
  readonly uuid: Uint8Array
}

function superblock(disk: Reader): Ring {
  for (let blockSize = 512; blockSize <= 65_536; blockSize *= 2) {
    const unit = Math.max(blockSize, 4096)
    const first = Math.ceil(12_288 / unit) * unit
    if (first + blockSize > disk.bytes.length || !disk.isBlock(first, blockSize, 1)) continue
    return {
      ...{ first, unit, blockSize: disk.u32(first + 76) },
      dataOffset: disk.u64(first + 88),
      dataBlocks: disk.u64(first + 96),
      uuid: disk.bytes.slice(first + 24, first + 40),
    }
  }
  throw new Error('there is no superblock')
}

function newest(disk: Reader, at: number, unit: number, blockSize: number, type: number): number {
  const sound = [at, at + unit].filter((offset) => disk.isBlock(offset, blockSize, type))
  const [found] = sound.sort((a, b) => disk.u64(b + 40) - disk.u64(a + 40))
  if (found === undefined) throw new Error(`no slot of type ${type} is sound`)
  return found
}

function markAt(disk: Reader, at: number): Mark {
  return {
    lsn: disk.u64(at),
    seq: disk.u64(at + 8),
    bytes: disk.u64(at + 16),
    crc: disk.u32(at + 24),
  }
}

/** What is masked with one word. */
const PART = 64 * 1024 * 1024

/** The batch that continues the log at a place. */
function batchAt(disk: Reader, ring: Ring, logPosition: Mark) {
  const { blockSize, dataOffset, dataBlocks, uuid } = ring
  const area = disk.bytes.subarray(dataOffset, dataOffset + dataBlocks * blockSize)
  const start = (logPosition.lsn % dataBlocks) * blockSize
  // Turned round, so that what goes over the end is in one piece.
  const log = new Reader(new Uint8Array([...area.subarray(start), ...area.subarray(0, start)]))
  const text = String.fromCharCode(...log.bytes.subarray(0, 4))
  if (text !== 'SBRB' || log.u32(4) !== crc32c(log.bytes.subarray(8, 80))) return undefined
  const follows =
    log.u64(8) === logPosition.lsn &&
    log.u64(24) === logPosition.seq &&
    log.u64(32) === logPosition.bytes &&
    log.u32(56) === logPosition.crc &&
    log.u32(60) === crc32c(uuid)
  if (!follows) return undefined
  const count = log.u32(64)
  const parts = Math.max(1, Math.ceil(log.u32(68) / PART))
  const table = 80 + 8 * count
  const front = table + 4 * (parts - 1)
  const blocks = Math.ceil((front + log.u32(68)) / blockSize)
  const masks = Array.from({ length: parts }, (_, part) =>
    log.u32(part === 0 ? 76 : table + 4 * (part - 1)),
  )
  for (let at = 512; at < blocks * blockSize; at += 512) {
    const mask = masks[Math.min(Math.floor(at / PART), parts - 1)] ?? 0
    for (let byte = 0; byte < 4; byte++) {
      log.bytes[at + byte] = (log.bytes[at + byte] ?? 0) ^ ((mask >>> (8 * byte)) & 255)
    }
  }
  if (log.u32(72) !== crc32c(log.bytes.subarray(80, front))) return undefined
  const items: Uint8Array[] = []
  let at = front
  for (let entry = 80; entry < table; entry += 8) {
    const item = log.bytes.slice(at, at + log.u32(entry))
    if (crc32c(item) !== log.u32(entry + 4)) return undefined
    items.push(item)
    at += item.length
  }
  if (at - front !== log.u32(68)) return undefined
  const end: Mark = {
    lsn: logPosition.lsn + Math.ceil(at / blockSize),
    seq: logPosition.seq + count,
    bytes: (logPosition.bytes + at - front) % 2 ** 48,
    crc: log.u32(4),
  }
  return { epoch: log.u64(16), committedTo: log.u64(40), items, end }
}

/** Reads little-endian fields. */
class Reader {
  readonly bytes: Uint8Array

  constructor(bytes: Uint8Array) {
    this.bytes = bytes
  }

  u16(at: number): number {
    return (this.bytes[at] ?? 0) + (this.bytes[at + 1] ?? 0) * 256
  }

  u32(at: number): number {
    return this.u16(at) + this.u16(at + 2) * 65_536
  }

  u64(at: number): number {
    return this.u32(at) + this.u32(at + 4) * 2 ** 32
  }

  isBlock(at: number, blockSize: number, type: number): boolean {
    const block = this.bytes.slice(at, at + blockSize)
    const magic = String.fromCharCode(...block.subarray(0, 8))
    const stored = this.u32(at + 8)
    block.fill(0, 8, 12)
    return (
      magic === 'SBRING2\0' &&
      stored === crc32c(block) &&
      block[12] === type &&
      this.u64(at + 16) === at
    )
  }
}

function crc32c(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0)
  }
  return (crc ^ 0xffffffff) >>> 0
}
