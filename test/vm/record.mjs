// Reads the record that qemu's driver `blklogwrites` keeps of a disk (the format is that of Linux's dm-log-writes): a
// sector with the number of entries, then for each entry a sector that describes it, and what was written.
import { closeSync, openSync, readSync } from 'node:fs'
import { SECTOR } from './marks.mjs'

const MAGIC = 0x6a736677736872n
const FLUSH = 1n | 2n
const DISCARD = 4n

/** How many entries a record has. */
export function countEntries(path) {
  const file = openSync(path, 'r')
  try {
    const start = readAt(file, 0, SECTOR)
    if (start.readBigUInt64LE(0) !== MAGIC) throw new Error(`${path} is no record of a disk`)
    return Number(start.readBigUInt64LE(16))
  } finally {
    closeSync(file)
  }
}

/** The entries in their order: each has `bytes` that were written from `sector` on, or none, and may be a `flush`. */
export function* readEntries(path) {
  const count = countEntries(path)
  const file = openSync(path, 'r')
  try {
    let at = SECTOR
    for (let entry = 0; entry < count; entry++) {
      const head = readAt(file, at, SECTOR)
      const [sector, sectors, flags] = [0, 8, 16].map((from) => head.readBigUInt64LE(from))
      if ((flags & DISCARD) !== 0n)
        throw new Error('nothing is discarded without the package koffi')
      const bytes = readAt(file, at + SECTOR, Number(sectors) * SECTOR)
      at += SECTOR + bytes.length
      yield { sector: Number(sector), bytes, flush: (flags & FLUSH) !== 0n }
    }
  } finally {
    closeSync(file)
  }
}

function readAt(file, position, length) {
  const bytes = Buffer.allocUnsafe(length)
  const read = readSync(file, bytes, 0, length, position)
  if (read !== length) throw new Error(`the record ends at byte ${position + read}`)
  return bytes
}
