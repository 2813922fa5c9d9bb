import { describe, expect, test } from 'vitest'
import { crc32c } from '../../../src/checksum/crc32c.ts'
import {
  batchBlocks,
  encodeBatch,
  openHeader,
  unmasked,
} from '../../../src/ring/format2/disk/batch.ts'
import { isBad } from '../../../src/ring/format2/disk/block.ts'
import { makeLayout } from '../../../src/ring/format2/disk/layout.ts'
import { ORIGIN } from '../../../src/ring/format2/disk/log-position.ts'
import { applyMasks, chooseMasks, MASK_PART_BYTES } from '../../../src/ring/format2/disk/mask.ts'
import { BatchItems } from '../../../src/ring/format2/log/batch-items.ts'

const UUID = 5
const BOUNDARY = 512
const MAGICS = ['SBRB', 'SBRING2', 'SBRX', 'mira']
const bytesOf = (text: string): number[] => Array.from(text, (char) => char.charCodeAt(0))

/** Whether bytes are within one bit of the start of a magic, bit by bit: as slowly as the rule reads. */
function isNearMagic(bytes: Uint8Array): boolean {
  return ['SBR', 'mira'].some((magic) => {
    const flips = bytesOf(magic).map((code, at) => code ^ (bytes[at] ?? 0))
    const bits = flips.map((each) => each.toString(2).replaceAll('0', '').length)
    return bits.reduce((sum, each) => sum + each, 0) <= 1
  })
}

function nearPlaces(batch: Uint8Array): number[] {
  const found: number[] = []
  for (let at = BOUNDARY; at < batch.length; at += BOUNDARY) {
    if (isNearMagic(batch.subarray(at, at + 4))) found.push(at)
  }
  return found
}

function encode(items: readonly Uint8Array[], blockSize = BOUNDARY) {
  const bodyBytes = items.reduce((sum, { length }) => sum + length, 0)
  const bytes = new Uint8Array(batchBlocks(items.length, bodyBytes, blockSize) * blockSize)
  // Of the batch that was made there before.
  bytes.fill(0xff)
  const fields = { start: ORIGIN, epoch: 1, committedTo: items.length, time: 7 }
  return { stored: bytes, header: encodeBatch(bytes, items, fields, UUID) }
}

/** Faster than toEqual, by minutes where there is much. */
function same(one: Uint8Array | undefined, other: Uint8Array): boolean {
  return one !== undefined && Buffer.compare(one, other) === 0
}

/** An item that has bytes at each boundary of a batch that it has for itself. */
function planted(blocks: number, at: (boundary: number) => readonly number[]): Uint8Array {
  const front = 88
  const item = new Uint8Array(blocks * BOUNDARY - front).fill(0x2e)
  for (let k = 1; k < blocks; k++) item.set(at(k), k * BOUNDARY - front)
  return item
}

describe('what a supplier puts at the boundaries of a batch', () => {
  test('stays as it is where it looks like nothing', () => {
    const { stored, header } = encode([planted(20, () => bytesOf('SBxx'))])
    expect(header.mask).toBe(0)
    expect(unmasked(stored, header)).toBe(stored)
  })

  test.each(MAGICS)('is masked if it is %s, and each bit off', (magic) => {
    for (let bit = -1; bit < 8 * Math.min(magic.length, magic === 'mira' ? 4 : 3); bit++) {
      const bytes = bytesOf(magic)
      if (bit >= 0) bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      const item = planted(5, (k) => (k === 3 ? bytes : [1, 2, 3, 4]))
      const { stored, header } = encode([item])
      expect([bit, header.mask > 0, nearPlaces(stored)]).toEqual([bit, true, []])
      expect(BatchItems.of(unmasked(stored, header), header).at(0)).toEqual(item)
    }
  })

  test('is masked by a word that suits them all, whatever they rule out', () => {
    // Each boundary rules out the words that a naive choice would try next.
    const item = planted(8192, (k) => {
      const word = 0x524253 ^ Math.floor(k / 2) ^ (k % 2 === 0 ? 1 << 17 : 0)
      return [word & 0xff, (word >> 8) & 0xff, (word >> 16) & 0xff, k & 0xff]
    })
    const { stored, header } = encode([item])
    expect(nearPlaces(stored)).toEqual([])
    expect(same(BatchItems.of(unmasked(stored, header), header).at(0), item)).toBe(true)
  })

  test('is masked in the table as well: lengths and checksums are a supplier’s choice', () => {
    // The 54th record's length lies at byte 512.
    const length = 0x4d_4253 // `SBM\0`: one bit off `SBR`, four MiB and more would be `SBR` itself.
    expect(isNearMagic(Uint8Array.of(0x53, 0x42, 0x4d))).toBe(false)
    const near = 0x12_4253 // one bit off `SBR`, and 1.2 MB long
    expect(near < length).toBe(true)
    const items = Array.from({ length: 60 }, (_, index) => new Uint8Array(index === 54 ? near : 3))
    const { stored, header } = encode(items)
    expect(header.mask).toBeGreaterThan(0)
    expect(nearPlaces(stored)).toEqual([])
    const read = BatchItems.of(unmasked(stored, header), header)
    expect([read.whole, read.at(54)?.length]).toEqual([true, near])
  })

  test('is masked wherever one item ends and the next begins', () => {
    const at = 200 * BOUNDARY
    const front = 80 + 8 * 4
    for (let before = -5; before <= 5; before++) {
      for (const lengths of [
        [at - front + before, 0, 1, 3000],
        [700, at - front - 700 + before, 2, 2000],
      ]) {
        const body = new Uint8Array(lengths.reduce((sum, length) => sum + length, 0))
        body.set(bytesOf('SBRB'), at - front)
        let from = 0
        const items = lengths.map((length) => {
          from += length
          return body.slice(from - length, from)
        })
        const { stored, header } = encode(items)
        expect([before, header.mask > 0, nearPlaces(stored)]).toEqual([before, true, []])
        const read = BatchItems.of(unmasked(stored, header), header)
        expect(items.every((item, index) => same(read.at(index), item))).toBe(true)
      }
    }
  })

  test('does not touch the first block’s own magic, and opens with it', () => {
    const { stored, header } = encode([planted(3, () => bytesOf('SBRB'))])
    const layout = makeLayout(BOUNDARY, 1 << 20, 'test')
    const opened = openHeader(stored.subarray(0, BOUNDARY), 0, UUID, layout)
    expect(isBad(opened) ? opened : opened.mask).toBe(header.mask)
  })
})

test('checksums are of what the items hold, masked or not', () => {
  const item = planted(4, () => bytesOf('SBRB'))
  const { stored, header } = encode([item])
  const view = new DataView(unmasked(stored, header).buffer)
  expect(view.getUint32(84, true)).toBe(crc32c(item))
})

test('masks that are applied piece by piece come off, wherever the pieces are cut', () => {
  const { stored, header } = encode([planted(40, () => bytesOf('SBRB'))], 1024)
  const whole = unmasked(stored, header)
  for (const size of [512, 1536, 4096]) {
    const pieces = new Uint8Array(stored)
    for (let at = 0; at < pieces.length; at += size) {
      const piece = pieces.subarray(at, at + size)
      applyMasks(piece, [header.mask], at, pieces.length)
    }
    expect(pieces).toEqual(whole)
  }
})

test('each part of a batch that is larger than a part has a word of its own', () => {
  const length = MASK_PART_BYTES * 2 + 1000
  const item = new Uint8Array(length)
  const front = 80 + 8 + 2 * 4
  for (let at = BOUNDARY; at < length; at += BOUNDARY) {
    // In the second part there is nothing to hide.
    if (at >= MASK_PART_BYTES && at < 2 * MASK_PART_BYTES) continue
    item.set([0x53, 0x42, 0x52 ^ (at < MASK_PART_BYTES ? 0 : 2), 1], at - front)
  }
  const { stored, header } = encode([item], 65536)
  const masks = chooseMasks(unmasked(stored, header), length)
  expect(masks.map((mask) => mask > 0)).toEqual([true, false, true])
  expect(header.mask).toBe(masks[0])
  const read = BatchItems.of(unmasked(stored, header), header)
  expect(read.whole).toBe(true)
  expect(same(read.at(0), item)).toBe(true)
  for (let at = BOUNDARY; at < stored.length; at += BOUNDARY) {
    const word = (stored[at] ?? 0) | ((stored[at + 1] ?? 0) << 8) | ((stored[at + 2] ?? 0) << 16)
    const off = word ^ 0x524253
    if ((off & (off - 1)) === 0) throw new Error(`byte ${at} begins like a structure`)
  }
})
