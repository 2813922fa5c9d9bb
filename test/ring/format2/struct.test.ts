import { expect, test } from 'vitest'
import {
  BATCH_HEADER_BYTES,
  headerFields,
  tableFields,
} from '../../../src/ring/format2/disk/batch.ts'
import { viewOf } from '../../../src/ring/format2/disk/bytes.ts'
import { guardFields } from '../../../src/ring/format2/disk/guard.ts'
import { leaseFields } from '../../../src/ring/format2/disk/lease-block.ts'
import { consumerSlotFields, producerSlotFields } from '../../../src/ring/format2/disk/slots.ts'
import {
  field,
  flag,
  nested,
  raw,
  struct,
  u8,
  u16,
  u32,
  u64,
  utf8,
} from '../../../src/ring/format2/disk/struct.ts'
import { superblockFields } from '../../../src/ring/format2/disk/superblock.ts'
import type { FieldSpec } from '../../../src/ring/report/dump.ts'

/** The largest list of epochs that a block of 4 KiB holds. */
const MANY_EPOCHS = new Uint8Array(4096)
viewOf(MANY_EPOCHS).setUint16(110, 96, true)

/** Each block's fields, and how many bytes it has for them: no power cut tears the first sector of a lease. */
const BLOCKS: readonly (readonly [string, readonly FieldSpec[], number])[] = [
  ['superblock', superblockFields(), 4096],
  ['producer slot', producerSlotFields(MANY_EPOCHS), 4096],
  ['consumer slot', consumerSlotFields(), 4096],
  ['lease', leaseFields(), 512],
  ['batch header', headerFields(), BATCH_HEADER_BYTES],
  ['table', tableFields(0, 3), BATCH_HEADER_BYTES + 24],
]

test.each(BLOCKS)('the fields of a %s do not overlap, and lie in it', (_, fields, bytes) => {
  let end = 0
  for (const [name, at, length] of fields) {
    expect(at, name).toBeGreaterThanOrEqual(end)
    end = at + length
  }
  expect(end).toBeLessThanOrEqual(bytes)
})

test.each([...BLOCKS, ['guard', guardFields(), 0] as const])(
  'the fields of a %s have a name each',
  (_, fields) => {
    const names = fields.map(([name]) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).not.toContain('')
  },
)

const INNER = struct({ number: field('', 0, u16), isSet: field('set', 2, flag) })
const OUTER = struct({
  byte: field('byte', 0, u8),
  word: field('word', 4, u32),
  count: field('count', 8, u64),
  inner: field('inner', 16, nested(INNER, 3)),
  bytes: field('bytes', 20, raw(2, 'hex')),
  name: field('name', 24, utf8(4, 22)),
})
const VALUES = {
  ...{ byte: 1, word: 2 ** 32 - 1, count: 2 ** 40 + 5, inner: { number: 7, isSet: true } },
  ...{ bytes: Uint8Array.of(8, 9), name: 'äb' },
}

test('fields are read as they were written', () => {
  const view = viewOf(new Uint8Array(32))
  OUTER.put(view, VALUES)
  expect(OUTER.get(view)).toEqual(VALUES)
})

test('a text is cut after a whole character, and ends with its field if it claims to be longer', () => {
  const view = viewOf(new Uint8Array(32))
  OUTER.put(view, { ...VALUES, name: 'abcä' })
  expect(OUTER.get(view).name).toBe('abc')
  view.setUint16(22, 40, true)
  expect(OUTER.get(view).name).toBe('abc\0')
})

test('bytes that are read are a copy', () => {
  const view = viewOf(new Uint8Array(32))
  OUTER.put(view, VALUES)
  const { bytes } = OUTER.get(view)
  view.setUint8(20, 0xff)
  expect(bytes).toEqual(Uint8Array.of(8, 9))
})
