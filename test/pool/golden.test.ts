import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { crc32c } from '../../src/checksum/crc32c.ts'
import type { Clock } from '../../src/clock.ts'
import { Pool } from '../../src/pool/index.ts'
import { imageOf, itemsOf, START, UNIT } from './pools.ts'

const folder = new URL('../golden/pool/', import.meta.url)
const clock: Clock = { now: () => 0, time: () => 1_700_000_000_000, sleep: async () => undefined }
const uuid = Uint8Array.from({ length: 16 }, (_, at) => at * 17)

interface Recipe {
  readonly name: string
  readonly what: string
  readonly rings: readonly string[]
  make(): Promise<MemoryBlockDevice>
}

async function blank(units: number): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: (START + units * UNIT) / 512, name: 'disk' })
  await Pool.create(device, { uuid, clock })
  return device
}

const RECIPES: readonly Recipe[] = [
  { name: 'empty', what: 'made, and never used', rings: [], make: () => blank(2) },
  {
    name: 'rings',
    what: 'four rings added, one of format 1 and one with blocks of 512 bytes; one removed; then grown',
    rings: ['1:2097152+65536 orders', '3:2228224+131072 Ünïcødé/2', '4:2359296+65536 x'],
    make: async () => {
      const device = await blank(6)
      const pool = await Pool.open(device, { clock })
      const ring = { uuid, name: 'golden' }
      await pool.add('orders', { sizeBytes: UNIT, ...ring })
      await pool.add('gone', { sizeBytes: UNIT, format: 1 })
      await pool.add('Ünïcødé/2', { sizeBytes: 2 * UNIT - 5, blockSize: 512, ...ring })
      await pool.add('x', { sizeBytes: UNIT, format: 1 })
      await pool.remove('gone')
      await device.resize((START + 7 * UNIT + 512) / 512)
      await pool.grow()
      return device
    },
  },
]

/** What FORMAT.md says of a pool, and nothing else. */
function decode(image: Uint8Array): readonly string[] {
  const view = new DataView(image.buffer, image.byteOffset)
  const u64 = (at: number): number => Number(view.getBigUint64(at, true))
  const text = (at: number, length: number): string =>
    new TextDecoder().decode(image.subarray(at, at + length))
  expect(text(0, 30)).toBe('mirage shared-block-device 1.0')
  expect(text(128, 67)).toBe('This is a pool of shared-block-rings. Older programs cannot use it.')
  for (const sector of [512, 1024, 2048, 4096, 8192]) expect(image[sector + 8]).toBe(0xff)
  const copies = [65_536, 1_048_576].map((at) => {
    expect(text(at, 8)).toBe('SBRING2\0')
    const bytes = view.getUint32(at + 48, true)
    const block = image.slice(at, at + bytes)
    const crc = new DataView(block.buffer).getUint32(8, true)
    block.fill(0, 8, 12)
    expect(crc32c(block)).toBe(crc)
    expect(image[at + 12]).toBe(5)
    expect(u64(at + 16)).toBe(at)
    expect(bytes).toBe(Math.ceil((128 + 96 * view.getUint32(at + 76, true)) / 4096) * 4096)
    const rings = Array.from({ length: view.getUint32(at + 76, true) }, (_, index) => {
      const entry = at + 128 + 96 * index
      expect(u64(entry + 16)).toBeLessThan(u64(at + 88))
      const name = text(entry + 32, image[entry + 24] ?? 0)
      return `${u64(entry + 16)}:${u64(entry)}+${u64(entry + 8)} ${name}`
    })
    expect(u64(at + 80)).toBe(Math.floor(image.length / 65_536) * 65_536)
    return { generation: u64(at + 40), uuid: text(at + 24, 16), rings }
  })
  expect(copies[0]).toEqual(copies[1])
  return copies[0]?.rings ?? []
}

describe.each(RECIPES)('golden image $name of a pool: $what', ({ name, make, rings }) => {
  const file = new URL(`${name}.img.gz`, folder)
  const golden = (): Uint8Array => new Uint8Array(gunzipSync(readFileSync(file)))

  test('is written byte for byte', async () => {
    const image = await imageOf(await make())
    // For a new recipe; an image that is there is never changed.
    if (process.env['GOLDEN'] === 'write' && !existsSync(file)) {
      mkdirSync(folder, { recursive: true })
      writeFileSync(file, gzipSync(image, { level: 9 }))
    }
    expect(Buffer.compare(image, golden())).toBe(0)
  })

  test('holds what a decoder finds that was written from FORMAT.md alone', () => {
    expect(decode(golden())).toEqual(rings)
  })

  test('is read, and its rings are empty', async () => {
    const device = await MemoryBlockDevice.from(golden(), { name: 'disk' })
    const pool = await Pool.open(device)
    const found = (await pool.status()).rings.map(
      (ring) => `${ring.offset}+${ring.sizeBytes} ${ring.name}`,
    )
    expect([...found].sort()).toEqual(rings.map((ring) => ring.replace(/^\d+:/, '')).sort())
    for (const ring of (await pool.status()).rings)
      expect(await itemsOf(await pool.open(ring.name))).toEqual([])
  })
})
