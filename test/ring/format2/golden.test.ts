import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { collect } from '../../helpers/collect.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { attachProducer } from '../../helpers/ring.ts'
import { decode } from './decoder.ts'
import { RECIPES } from './recipes.ts'

const folder = new URL('../../golden/format2/', import.meta.url)

/** What the independent decoder has to find in each image, item by item: length and first byte. */
const ITEMS: Readonly<Record<string, readonly string[]>> = {
  empty: [],
  'empty-4096': [],
  items: ['0', '1:2', '600:3', '5:4'],
  uncommitted: ['10:1'],
  'half-consumed': ['100:3'],
  wrapped: ['900:5', '900:6'],
  epochs: ['40:0', '41:1', '42:2'],
  suspended: ['3:1'],
  'masked-512': ['1500:1', '9:1', '1212:1', '700:2'],
  'masked-4096': ['1500:1', '9:1', '4796:1', '700:2'],
  'masked-65536': ['1500:1', '9:1', '66236:1', '700:2'],
  'masked-wrapped': ['1800:1'],
  overwritten: Array.from({ length: 16 }, (_, index) => `200:${24 + index}`),
}

const show = (item: Uint8Array): string => (item.length === 0 ? '0' : `${item.length}:${item[0]}`)

function imageOf(name: string): Uint8Array {
  return new Uint8Array(readFileSync(new URL(`${name}.img`, folder)))
}

async function deviceOf(name: string): Promise<MemoryBlockDevice> {
  const bytes = imageOf(name)
  const device = new MemoryBlockDevice({ sizeSectors: bytes.length / 512 })
  await device.write(0, [bytes])
  return device
}

describe.each(RECIPES)('golden image $name: $what', ({ name, make }) => {
  test('is written byte for byte', async () => {
    const bytes = await deviceBytes(await make())
    const image = new URL(`${name}.img`, folder)
    // For a new recipe; an image that is there is never changed.
    if (process.env['GOLDEN'] === 'write' && !existsSync(image)) writeFileSync(image, bytes)
    expect(hex(bytes) === hex(imageOf(name))).toBe(true)
  })

  test('holds what a decoder finds that was written from FORMAT.md alone', () => {
    expect(decode(imageOf(name)).map(show)).toEqual(ITEMS[name])
  })

  test('is read back item by item', async () => {
    const device = await deviceOf(name)
    const items = await collect((await inspectRing(device)).items())
    expect(items.map(({ item }) => show(item))).toEqual(ITEMS[name])
    expect(hex(await deviceBytes(device)) === hex(imageOf(name))).toBe(true)
  })

  test('can be written to again', async () => {
    const device = await deviceOf(name)
    await using consumer = await Consumer.attach(device)
    if (name === 'suspended') await consumer.resume()
    const producer = await attachProducer(device)
    expect(await producer.append([new Uint8Array([7])])).toMatchObject({ status: 'ok' })
    const all = await consumer.fold<string[]>((items, item) => [...items, show(item)], [])
    expect(all.accumulator).toEqual([...(ITEMS[name] ?? []), '1:7'].slice(-all.accumulator.length))
    expect(all.accumulator.length).toBeGreaterThan(
      name === 'overwritten' ? 12 : (ITEMS[name]?.length ?? 0),
    )
    await producer.close()
  })
})
