import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Pool } from '../../src/pool/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { breakLease, readLeases } from '../../src/ring/access/lease.ts'
import { repairRing } from '../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { ringDevice, smallRing } from '../helpers/ring.ts'
import { imageOf, itemsOf, namesIn, poolDevice, poolWith, put, START, UNIT } from './pools.ts'

describe('a pool', () => {
  test('has named rings, each of which works like any other', async () => {
    const pool = await poolWith('orders', 'bills')
    expect((await pool.status()).rings).toEqual([
      { name: 'bills', sizeBytes: UNIT, offset: START + UNIT },
      { name: 'orders', sizeBytes: UNIT, offset: START },
    ])
    await using orders = await pool.open('orders')
    await using bills = await pool.open('bills')
    expect(orders.name).toBe('disk#orders')
    await put(orders, 'an order')
    await put(bills, 'a bill')
    expect([await itemsOf(orders), await itemsOf(bills)]).toEqual([['an order'], ['a bill']])
    for (const ring of [orders, bills]) expect((await verifyRing(ring)).sound).toBe(true)
  })

  test('has rings of both formats, and of any size and option', async () => {
    const pool = await poolWith()
    await pool.add('one', { sizeBytes: 1, format: 1 })
    await pool.add('two', { sizeBytes: UNIT + 1, onFull: 'overwrite', blockSize: 512, name: 'n' })
    expect((await pool.status()).rings).toMatchObject([
      { sizeBytes: UNIT },
      { sizeBytes: 2 * UNIT },
    ])
    const one = await pool.open('one')
    const two = await pool.open('two')
    expect(await inspectRing(one)).toMatchObject({ format: 1 })
    expect(await inspectRing(two)).toMatchObject({
      format: 2,
      ring: { onFull: 'overwrite', blockSize: 512, name: 'n' },
    })
    await put(one, 'a')
    await put(two, 'b')
    expect([await itemsOf(one), await itemsOf(two)]).toEqual([['a'], ['b']])
  })

  test.each([512, 4096, 65_536])('is the same for sectors of %i bytes', async (sectorSize) => {
    const device = await poolDevice(4, sectorSize)
    const pool = await Pool.open(device)
    await pool.add('a', { sizeBytes: 4 * UNIT, blockSize: 65_536 }).catch(() => undefined)
    await pool.add('b', { sizeBytes: UNIT, format: 1 }).catch(() => undefined)
    const small = await MemoryBlockDevice.from(await imageOf(device), { name: 'disk' })
    expect(await (await Pool.open(small)).status()).toEqual(await pool.status())
  })

  test('is not changed by creating it again', async () => {
    const pool = await poolWith('a')
    const before = await imageOf(pool.device)
    expect(await Pool.create(pool.device)).toEqual({ created: false })
    expect(await Pool.create(pool.device, { eraseOther: true })).toEqual({ created: false })
    expect(Buffer.compare(await imageOf(pool.device), before)).toBe(0)
  })

  test('reports its free space, and reuses that of removed rings', async () => {
    const pool = await poolWith('a', 'b', 'c')
    expect(await pool.status()).toMatchObject({
      sizeBytes: START + 16 * UNIT,
      freeBytes: 13 * UNIT,
      largestFreeBytes: 13 * UNIT,
    })
    await pool.remove('b')
    expect(await pool.status()).toMatchObject({
      freeBytes: 14 * UNIT,
      largestFreeBytes: 13 * UNIT,
    })
    await expect(pool.add('d', { sizeBytes: 14 * UNIT })).rejects.toMatchObject({
      code: 'RING_POOL_FULL',
      details: { found: String(13 * UNIT) },
    })
    const { offset } = await pool.add('d', { sizeBytes: UNIT })
    expect(offset).toBe(START + UNIT)
    expect(await namesIn(pool)).toEqual(['a', 'c', 'd'])
  })

  test('grows when its device has grown, and not before', async () => {
    const device = await poolDevice(1)
    const pool = await Pool.open(device)
    await pool.add('a', { sizeBytes: UNIT })
    const sizeBytes = START + UNIT
    expect(await pool.grow()).toEqual({ beforeBytes: sizeBytes, sizeBytes })
    await expect(pool.add('b', { sizeBytes: UNIT })).rejects.toMatchObject({
      code: 'RING_POOL_FULL',
    })
    await device.resize((sizeBytes + 2 * UNIT + 512) / 512)
    expect((await pool.status()).sizeBytes).toBe(sizeBytes)
    expect(await pool.grow()).toEqual({
      beforeBytes: sizeBytes,
      sizeBytes: sizeBytes + 2 * UNIT,
    })
    await pool.add('b', { sizeBytes: 2 * UNIT })
    await device.resize((sizeBytes + UNIT) / 512)
    await expect(pool.status()).rejects.toMatchObject({ code: 'RING_DEVICE_TOO_SMALL' })
    await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_DEVICE_TOO_SMALL' })
  })

  test.each([5n, 5, Symbol('a'), null, undefined, {}, ['a']])(
    'refuses a name that is not text: %s',
    async (name) => {
      const pool = await poolWith('a')
      const wrong = name as string
      const calls = [
        pool.open(wrong),
        pool.add(wrong, { sizeBytes: UNIT }),
        pool.remove(wrong, { discardItems: true }),
      ]
      for (const outcome of await Promise.allSettled(calls)) {
        expect(outcome).toMatchObject({
          reason: expect.objectContaining({
            name: 'TypeError',
            message: expect.stringContaining('the name of a ring is a string, not '),
          }),
        })
      }
    },
  )

  test('refuses names and options that it cannot keep', async () => {
    const pool = await poolWith('a')
    const names = ['', 'x#y', 'a\nb', '\u0007', ' a', 'a ', 'é'.repeat(33), '\ud800', 'a\u200bb']
    for (const name of names) {
      await expect(pool.add(name, { sizeBytes: UNIT })).rejects.toThrow(RangeError)
    }
    await pool.add('é'.repeat(32), { sizeBytes: UNIT })
    await pool.add('orders/eu 2', { sizeBytes: UNIT })
    await expect(pool.add('a', { sizeBytes: UNIT })).rejects.toMatchObject({ code: 'RING_EXISTS' })
    for (const sizeBytes of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
      await expect(pool.add('b', { sizeBytes })).rejects.toThrow(RangeError)
    }
    await expect(pool.add('b', { sizeBytes: 2 ** 52 })).rejects.toMatchObject({
      code: 'RING_POOL_FULL',
    })
    await expect(pool.add('b', { sizeBytes: UNIT, blockSize: 65_536 })).rejects.toMatchObject({
      code: 'RING_DEVICE_TOO_SMALL',
    })
    const misspelt = { sizeBytes: UNIT, size: 1 } as { readonly sizeBytes: number }
    await expect(pool.add('b', misspelt)).rejects.toThrow('Pool.add has no option size')
    for (const call of [pool.open('b'), pool.remove('b')]) {
      await expect(call).rejects.toMatchObject({ code: 'RING_NOT_FOUND' })
    }
    expect(await namesIn(pool)).toHaveLength(3)
  })

  test('is changed by several programs in turn', async () => {
    const device = await poolDevice()
    const pools = await Promise.all([1, 2, 3, 4].map(() => Pool.open(device)))
    await Promise.all(pools.map((pool, index) => pool.add(`r${index}`, { sizeBytes: UNIT })))
    for (const pool of pools) expect(await namesIn(pool)).toEqual(['r0', 'r1', 'r2', 'r3'])
  })

  test('ends with a failed write of its directory', async () => {
    const device = await poolDevice()
    const pool = await Pool.open(device)
    await pool.add('a', { sizeBytes: UNIT })
    const { write } = device
    device.write = async (sector, ...rest) => {
      if (sector === UNIT / 512) throw new Error('it failed')
      return write.call(device, sector, ...rest)
    }
    await expect(pool.add('b', { sizeBytes: UNIT })).rejects.toThrow('it failed')
    device.write = write
    await expect(pool.status()).rejects.toMatchObject({ code: 'RING_POISONED' })
    expect(await namesIn(await Pool.open(device))).toEqual(['a'])
  })
})

describe('closing a pool', () => {
  test('lets the change under way end, and refuses those that wait and all later calls', async () => {
    const hooked = new HookedDevice(await poolDevice())
    const pool = await Pool.open(hooked)
    await pool.add('a', { sizeBytes: UNIT })
    await using ring = await pool.open('a')
    let release = (): void => undefined
    const released = new Promise<void>((resolve) => {
      release = resolve
    })
    hooked.before = ({ operation }) => (operation === 'write' ? released : undefined)
    const added = pool.add('b', { sizeBytes: UNIT })
    const waiting = pool.add('c', { sizeBytes: UNIT })
    const refused = expect(waiting).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await new Promise(setImmediate)
    let isClosed = false
    const closing = [pool.close(), pool.close()]
    const closed = Promise.all(closing).then(() => {
      isClosed = true
    })
    await new Promise(setImmediate)
    expect(isClosed).toBe(false)
    release()
    expect(await added).toMatchObject({ name: 'b' })
    await Promise.all([refused, closed])
    const calls: readonly (() => Promise<unknown>)[] = [
      () => pool.status(),
      () => pool.open('a'),
      () => pool.add('e', { sizeBytes: UNIT }),
      () => pool.remove('a'),
      () => pool.grow(),
      () => pool.readLease(),
      () => pool.breakLease(),
    ]
    for (const call of calls) await expect(call()).rejects.toMatchObject({ code: 'RING_CLOSED' })
    // Neither the device nor the ring that was opened is the pool's to close.
    await put(ring, 'an item')
    await using again = await Pool.open(pool.device)
    expect(await namesIn(again)).toEqual(['a', 'b'])
  })
})

describe('creating a pool', () => {
  test('is refused on a device with other content, also a ring, unless it is to be wiped', async () => {
    for (const device of [await smallRing(4 << 20), await ringDevice(8192)]) {
      await put(device, 'item')
      const before = await imageOf(device)
      await expect(Pool.create(device)).rejects.toMatchObject({ code: 'RING_NOT_BLANK' })
      expect(Buffer.compare(await imageOf(device), before)).toBe(0)
      expect(await Pool.create(device, { eraseOther: true })).toEqual({ created: true })
      await expect(inspectRing(device)).rejects.toMatchObject({ code: 'RING_IS_POOL' })
      expect(await namesIn(await Pool.open(device))).toEqual([])
    }
  })

  test('is refused while the ring that is there is in use', async () => {
    const device = await smallRing(4 << 20)
    await using _consumer = await Consumer.attach(device)
    await expect(Pool.create(device, { eraseOther: true })).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
    })
  })

  test('needs room for the directory, and for a ring', async () => {
    const device = new MemoryBlockDevice({ sizeSectors: START / 512 })
    await expect(Pool.create(device)).rejects.toMatchObject({ code: 'RING_DEVICE_TOO_SMALL' })
    await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  })
})

describe('a pool where a ring is expected', () => {
  test('is refused by every call that takes a ring, with advice', async () => {
    const pool = await poolWith('a')
    const { device } = pool
    const before = await imageOf(device)
    const calls: readonly (() => Promise<unknown>)[] = [
      () => Producer.attach(device),
      () => Consumer.attach(device),
      () => Producer.create(device),
      () => Producer.create(device, { eraseOther: true }),
      () => Producer.create(device, { format: 1, eraseOther: true }),
      () => RingWriter.open(device, { createIfMissing: true }),
      () => RingReader.open(device),
      () => inspectRing(device),
      () => inspectRing(device, { salvage: true }),
      () => verifyRing(device),
      () => repairRing(device, { write: true }),
      () => repairRing(device, { write: true, format: 2 }),
      () => readLeases(device),
      () => breakLease(device, 'producer'),
    ]
    for (const call of calls) {
      await expect(call()).rejects.toMatchObject({
        code: 'RING_IS_POOL',
        message: expect.stringContaining('disk#NAME'),
      })
    }
    expect(Buffer.compare(await imageOf(device), before)).toBe(0)
  })

  test('is recognised without its first sector, and without one or both copies of its directory', async () => {
    const lost = [[0], [UNIT], [16 * UNIT], [UNIT, 16 * UNIT], [0, UNIT], [0, 16 * UNIT]]
    for (const offsets of lost) {
      const { device } = await poolWith('a')
      for (const offset of offsets) await device.write(offset / 512, [new Uint8Array(512)])
      await expect(verifyRing(device)).rejects.toMatchObject({ code: 'RING_IS_POOL' })
      const both = offsets.length === 2 && !offsets.includes(0)
      const opened = Pool.open(device)
      if (both) await expect(opened).rejects.toMatchObject({ code: 'RING_CORRUPT' })
      else expect(await namesIn(await opened)).toEqual(['a'])
    }
  })

  test('is not opened without its guard, and nothing takes it for a ring', async () => {
    const { device } = await poolWith('a')
    await device.write(0, [new Uint8Array(12_288)])
    await expect(verifyRing(device)).rejects.toMatchObject({ code: 'RING_IS_POOL' })
    await expect(Pool.open(device)).rejects.toMatchObject({
      code: 'RING_CORRUPT',
      details: { field: 'guard' },
    })
  })

  test('is not seen in an item of a ring of format 1 that holds an image of one', async () => {
    const image = await imageOf((await poolWith('evil')).device)
    const device = await ringDevice((image.length * 2) / 512)
    const whole = await imageOf(device)
    whole.set(image.subarray(UNIT), UNIT)
    await device.write(0, [whole])
    await expect(Pool.open(device)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
    expect((await verifyRing(device)).format).toBe(1)
  })

  test('is not taken for a ring because an item at its end holds a superblock', async () => {
    const pool = await poolWith()
    const { device } = pool
    const { largestFreeBytes } = await pool.status()
    await pool.add('one', { sizeBytes: largestFreeBytes, format: 1 })
    const { sizeSectors } = await device.getInfo()
    const other = new MemoryBlockDevice({ sizeSectors })
    await Producer.create(other)
    const end = new Uint8Array(4096)
    await other.read(sizeSectors - 8, [end])
    await device.write(sizeSectors - 8, [end])
    for (const start of [undefined, new Uint8Array(12_288)]) {
      if (start !== undefined) await device.write(0, [start])
      for (const format of [undefined, 2] as const) {
        const repaired = repairRing(device, { write: true, ...(format && { format }) })
        await expect(repaired).rejects.toMatchObject({ code: 'RING_IS_POOL' })
      }
    }
  })
})
