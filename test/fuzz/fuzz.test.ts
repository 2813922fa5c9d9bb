import { beforeAll, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { crc32c } from '../../src/checksum/crc32c.ts'
import { Random } from '../../src/sim/world/random.ts'
import { type Base, makeBases } from './bases.ts'
import { placesOf } from './damage.ts'
import { exercise, LIMITS } from './exercise.ts'
import { MOST_GROWN } from './grown.ts'
import { MeteredDevice } from './meter.ts'
import { fuzz } from './run.ts'
import { expectSound } from './sound.ts'

test('damaged images come to items that were pushed, or to an error of the package', async () => {
  expectSound(await fuzz({ from: 1, stride: 1, images: 200 }), 200)
})

describe('memory', () => {
  const taking = async (keep: (bytes: Uint8Array) => void): Promise<void> => {
    const device = new MeteredDevice(new MemoryBlockDevice({ sizeSectors: 8 }), LIMITS)
    await device.read(0, [new Uint8Array(512)])
    for (let taken = 0; taken < 2 * MOST_GROWN; taken += 1 << 20) {
      keep(new Uint8Array(1 << 20))
      await device.read(0, [new Uint8Array(512)])
    }
  }

  test('that is kept is counted', async () => {
    const kept: Uint8Array[] = []
    await expect(taking((bytes) => kept.push(bytes))).rejects.toThrow('grown: ')
    expect(kept.length).toBeLessThanOrEqual(MOST_GROWN >> 20)
  })

  test('that is not kept does not count', async () => {
    await taking(() => undefined)
  })
})

describe('the fuzzer notices', () => {
  let base: Base

  beforeAll(async () => {
    const bases = await makeBases()
    base = bases.find(({ name }) => name.startsWith('format 2, fresh, 512/512')) as Base
  })

  const run = (change: (bytes: Uint8Array) => void, of = base): Promise<unknown> => {
    const bytes = base.image.slice()
    change(bytes)
    return exercise({ base: of, bytes, damage: ['planted'], sealed: false }, new Random(1))
  }

  test('nothing wrong in a sound ring', async () => {
    expect(await run(() => undefined)).toMatchObject({
      steps: expect.arrayContaining(['inspect ok', 'produce ok', 'consume ok']),
    })
  })

  test('bytes that were never pushed, though all checksums hold', async () => {
    const planted = run((bytes) => {
      const [first] = placesOf(base.shape, bytes).data
      const header = bytes.subarray(first?.offset)
      const view = new DataView(header.buffer, header.byteOffset)
      const records = view.getUint32(64, true)
      const table = 80 + 8 * records
      header[table] = (header[table] ?? 0) ^ 1
      const item = header.subarray(table, table + view.getUint32(80, true))
      view.setUint32(84, crc32c(item), true)
      view.setUint32(72, crc32c(header.subarray(80, table)), true)
      view.setUint32(4, crc32c(header.subarray(8, 80)), true)
    })
    await expect(planted).rejects.toThrow('was never pushed')
  })

  test('items in another order', async () => {
    const history = new Map([...base.history].map(([number, items]) => [number + 1, items]))
    await expect(run(() => undefined, { ...base, history })).rejects.toThrow('was never pushed')
  })

  test('errors that are not of the package', async () => {
    class Broken extends Map<number, readonly Uint8Array[]> {
      override get(): never {
        throw new TypeError('planted')
      }
    }
    const history = new Broken()
    await expect(run(() => undefined, { ...base, history })).rejects.toThrow('TypeError: planted')
  })
})
