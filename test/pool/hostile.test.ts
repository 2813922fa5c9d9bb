import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Pool } from '../../src/pool/index.ts'
import {
  type Directory,
  encodeDirectory,
  MAX_RINGS,
  parseDirectory,
} from '../../src/ring/format2/disk/directory.ts'
import { encodeGuard } from '../../src/ring/format2/disk/guard.ts'
import { Random } from '../../src/sim/world/random.ts'
import { START, UNIT } from './pools.ts'

const COPIES = [UNIT, 16 * UNIT] as const
const UNITS = 8
const POOL: Directory = {
  uuid: Uint8Array.from({ length: 16 }, (_, at) => at),
  generation: 7,
  poolBytes: START + UNITS * UNIT,
  nextId: 9,
  rings: [
    { name: 'a', offset: START, bytes: UNIT, id: 3 },
    { name: 'b', offset: START + UNIT, bytes: 2 * UNIT, id: 1 },
  ],
}

async function deviceWith(...copies: readonly Directory[]): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: (START + UNITS * UNIT) / 512, name: 'disk' })
  await device.write(0, [encodeGuard('pool')])
  for (const [index, offset] of COPIES.entries()) {
    const copy = copies[index] ?? copies[0]
    if (copy !== undefined) await device.write(offset / 512, [encodeDirectory(copy, offset)])
  }
  return device
}

const [A, B] = POOL.rings as [Directory['rings'][number], Directory['rings'][number]]

const HOSTILE: readonly (readonly [string, Partial<Directory>])[] = [
  ['rings that overlap', { rings: [{ ...A, bytes: 2 * UNIT }, B] }],
  ['rings in another order', { rings: [B, A] }],
  ['a ring over the directory', { rings: [{ ...A, offset: UNIT }, B] }],
  ['a ring at no multiple of 64 KiB', { rings: [{ ...A, offset: START + 512 }] }],
  ['a ring of no bytes', { rings: [{ ...A, bytes: 0 }] }],
  ['a ring of a part of 64 KiB', { rings: [{ ...A, bytes: 512 }] }],
  ['a ring beyond the end', { rings: [{ ...A, offset: START + UNITS * UNIT }] }],
  ['a ring that ends beyond it', { rings: [{ ...A, bytes: (UNITS + 1) * UNIT }] }],
  ['a ring that is larger than any device', { rings: [{ ...A, bytes: 2 ** 52 }] }],
  ['two rings of one name', { rings: [A, { ...B, name: 'a' }] }],
  ['two rings of one id', { rings: [A, { ...B, id: 3 }] }],
  ['an id that is still to be given', { rings: [{ ...A, id: 9 }, B] }],
  ['a name with a control character', { rings: [{ ...A, name: 'a\u001b[2J' }, B] }],
  ['a name with a new line', { rings: [{ ...A, name: 'a\nb' }, B] }],
  ['a name with a #', { rings: [{ ...A, name: 'a#b' }, B] }],
  ['a name of no bytes', { rings: [{ ...A, name: '' }, B] }],
  ['a pool that is no multiple of 64 KiB', { poolBytes: START + UNIT + 512, rings: [] }],
  ['a pool without room for its directory', { poolBytes: UNIT, rings: [] }],
]

test.each(HOSTILE)(
  'a directory with %s is damaged, however sound its checksum is',
  async (_, forged) => {
    const device = await deviceWith({ ...POOL, ...forged })
    await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_CORRUPT' })
  },
)

test('a pool that is larger than its device is refused', async () => {
  const device = await deviceWith({ ...POOL, poolBytes: START + (UNITS + 1) * UNIT })
  await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_DEVICE_TOO_SMALL' })
})

test('two copies of one generation that differ, or of two pools, are refused', async () => {
  const other = { ...POOL, rings: [A] }
  const foreign = { ...POOL, generation: 8, uuid: new Uint8Array(16) }
  for (const second of [other, foreign]) {
    const device = await deviceWith(POOL, second)
    await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_CORRUPT' })
  }
  const newer = await Pool.open(await deviceWith(POOL, { ...other, generation: 8 }))
  expect((await newer.status()).rings).toHaveLength(1)
})

test('whichever bit of a copy flips, it is damaged', async () => {
  const random = new Random(1)
  const sound = encodeDirectory(POOL, UNIT)
  expect(parseDirectory(sound, UNIT)).toEqual(POOL)
  for (let round = 0; round < 400; round++) {
    const block = sound.slice()
    const at = random.below(400)
    block[at] = (block[at] ?? 0) ^ (1 << random.below(8))
    // A checksum covers each byte.
    expect(parseDirectory(block, UNIT)).toHaveProperty('field')
  }
  expect(parseDirectory(sound, 16 * UNIT)).toMatchObject({ field: 'own offset' })
})

test('the largest directory is read, and the one after it is not made', async () => {
  const rings = Array.from({ length: MAX_RINGS }, (_, index) => ({
    name: `ring ${index}`,
    offset: START + index * UNIT,
    bytes: UNIT,
    id: index,
  }))
  const full = { ...POOL, poolBytes: START + MAX_RINGS * UNIT, nextId: MAX_RINGS, rings }
  const block = encodeDirectory(full, UNIT)
  expect(block.length).toBeLessThanOrEqual(15 * UNIT)
  expect(parseDirectory(block, UNIT)).toEqual(full)
  const sizeSectors = (START + (MAX_RINGS + 4) * UNIT) / 512
  const device = new MemoryBlockDevice({ sizeSectors, name: 'disk' })
  await device.write(0, [encodeGuard('pool')])
  for (const offset of COPIES) await device.write(offset / 512, [encodeDirectory(full, offset)])
  const pool = await Pool.open(device)
  await pool.grow()
  await expect(pool.add('more', { sizeBytes: UNIT })).rejects.toMatchObject({
    code: 'RING_POOL_FULL',
  })
})
