import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeAll, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { crc32c, locateFlippedBit } from '../../../src/checksum/crc32c.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { BLOCK, DATA, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { deviceBytes } from '../../helpers/golden.ts'

const HEADER = 80
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const items = (count: number, from = 0): readonly Uint8Array[] =>
  Array.from({ length: count }, (_, index) => new TextEncoder().encode(`item ${from + index}`))

let image: Uint8Array
/** Three batches. */
const ITEMS = [['item 0', 'item 1', 'item 2'], ['masked'], ['item 3', 'item 4']]
const EXPECTED: readonly string[] = ITEMS.flat()
const MASKED_BLOCKS = 3

beforeAll(async () => {
  const device = await smallRing(32)
  const masked = new Uint8Array(MASKED_BLOCKS * BLOCK - HEADER - 8)
  masked.set(new TextEncoder().encode('SBRB'), BLOCK - HEADER - 8)
  await pushBatches(device, [items(3), [masked], items(2, 3)])
  image = await deviceBytes(device)
})

function flipped(at: number, bit: number): Promise<MemoryBlockDevice> {
  const copy = new Uint8Array(image)
  copy[at] = (copy[at] ?? 0) ^ (1 << bit)
  return MemoryBlockDevice.from(copy)
}

async function delivered(
  device: MemoryBlockDevice | Promise<MemoryBlockDevice>,
): Promise<readonly string[]> {
  const popped = await take(await device, 100, 'skip')
  return popped.map(({ item }) => (item.length > 100 ? 'masked' : text(item)))
}

/** Where each batch begins, and how long its header and table are. */
const BATCHES = [
  { lsn: 0, records: 3 },
  { lsn: 1, records: 1 },
  { lsn: 1 + MASKED_BLOCKS, records: 2 },
] as const

describe.each(BATCHES)('a flipped bit in the batch at LSN $lsn', ({ lsn, records }) => {
  const from = DATA + lsn * BLOCK

  test('costs nothing in its header or its table, and is reported', async () => {
    const told: unknown[] = []
    const listen = (message: unknown): void => void told.push(message)
    subscribe('shared-block-ring:correction', listen)
    for (let at = from; at < from + HEADER + 8 * records; at++) {
      const bit = at % 8
      told.length = 0
      expect([at, bit, await delivered(flipped(at, bit))]).toEqual([at, bit, EXPECTED])
      expect(told).toMatchObject([{ offset: at, bit }])
    }
    unsubscribe('shared-block-ring:correction', listen)
  })

  test('is a warning to verify, and written back by repair', async () => {
    for (const at of [from, from + 5, from + 44, from + 77, from + HEADER + 1]) {
      const device = await flipped(at, 2)
      const report = await verifyRing(device)
      expect(report).toMatchObject({ sound: true, damagedItems: 0 })
      expect(report.findings).toMatchObject([{ severity: 'warning', offset: at }])
      const dry = await repairRing(device)
      expect(dry).toMatchObject({ written: false, actions: [{ structure: expect.any(String) }] })
      await repairRing(device, { write: true })
      expect(await deviceBytes(device)).toEqual(image)
    }
  })

  test('costs the item that it is in, and no other', async () => {
    const [first] = ITEMS[BATCHES.findIndex((batch) => batch.lsn === lsn)] ?? []
    const at = from + HEADER + 8 * records + 2
    // The producer wrote its place down when it left, so the last batch, too, is known to have been whole.
    const left = EXPECTED.filter((each) => each !== first)
    expect(await delivered(flipped(at, 4))).toEqual(left)
  })
})

test('two flipped bits in a table are not corrected: all of its items are reported at once', async () => {
  const copy = new Uint8Array(image)
  for (const at of [DATA + HEADER, DATA + HEADER + 9]) copy[at] = (copy[at] ?? 0) ^ 1
  const device = await MemoryBlockDevice.from(copy)
  const { findings, damagedItems } = await verifyRing(device)
  expect(damagedItems).toBe(3)
  expect(findings).toMatchObject([{ structure: 'table', items: 3, numbers: { first: 1, last: 3 } }])
  expect(await delivered(MemoryBlockDevice.from(copy))).toEqual(EXPECTED.slice(3))
})

test('a correction is confirmed: a wrong guess is not delivered', async () => {
  // A table whose checksum says one flipped bit, though the item after it says otherwise.
  const copy = new Uint8Array(image)
  const view = new DataView(copy.buffer, DATA)
  view.setUint32(HEADER + 4, view.getUint32(HEADER + 4, true) ^ 6, true)
  const table = copy.subarray(DATA + HEADER, DATA + HEADER + 24)
  const guess = new Uint8Array(table)
  guess[12] = (guess[12] ?? 0) ^ 1
  view.setUint32(72, crc32c(guess), true)
  view.setUint32(4, crc32c(copy.subarray(DATA + 8, DATA + HEADER)), true)
  const popped = await delivered(MemoryBlockDevice.from(copy))
  expect(popped).not.toContain('item 0')
  for (const item of popped) expect(EXPECTED).toContain(item)
})

test('a flipped bit is located by its checksum, in any place', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, index) => index * 7)
  const whole = crc32c(bytes)
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const copy = new Uint8Array(bytes)
    copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    expect(locateFlippedBit(bytes.length, crc32c(copy) ^ whole)).toBe(bit)
  }
  const two = new Uint8Array(bytes)
  two[3] = (two[3] ?? 0) ^ 0x11
  expect(locateFlippedBit(bytes.length, crc32c(two) ^ whole)).toBeUndefined()
})
