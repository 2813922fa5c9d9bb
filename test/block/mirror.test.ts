import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { compare } from '../../src/block/ops/compare.ts'
import { resync } from '../../src/block/ops/resync.ts'
import {
  MIRROR_CHANNEL,
  MirrorBlockDevice,
  type MirrorFailure,
  type MirrorOptions,
} from '../../src/block/wrap/mirror.ts'
import { FaultyBlockDevice } from './faulty.ts'

const S = 512

function sectors(count: number, value: number): Uint8Array {
  return new Uint8Array(count * S).fill(value)
}

async function firstByte(device: BlockDevice, sector: number): Promise<number | undefined> {
  const memory = sectors(1, 0xff)
  await device.read(sector, [memory])
  return memory[0]
}

function leg(sizeSectors = 32): FaultyBlockDevice {
  return new FaultyBlockDevice(new MemoryBlockDevice({ sizeSectors, name: 'leg' }))
}

async function mirrored(options: MirrorOptions = {}) {
  const [first, second] = [leg(), leg()]
  const failures: MirrorFailure[] = []
  const mirror = await MirrorBlockDevice.open(first, second, {
    onLegFailed: (failure) => void failures.push(failure),
    ...options,
  })
  return { first, second, mirror, failures }
}

test('writes, durable writes, zeroes and flushes are done on both legs', async () => {
  const { first, second, mirror } = await mirrored()
  await mirror.write(0, [sectors(3, 1)])
  await mirror.write(3, [sectors(2, 2)], { durable: true })
  await mirror.writeZeroes(1, 1, { durable: true })
  await mirror.flush()
  expect(first.requests).toEqual(['write', 'write durable', 'writeZeroes durable', 'flush'])
  expect(second.requests).toEqual(first.requests)
  expect(await compare(first, second)).toEqual({ status: 'equal' })
  expect(await firstByte(second, 4)).toBe(2)
})

test('legs have to be two devices with sectors of one size; the smaller one counts', async () => {
  const device = leg()
  await expect(MirrorBlockDevice.open(device, device)).rejects.toThrow(TypeError)
  const other = new MemoryBlockDevice({ sectorSize: 4096, sizeSectors: 8 })
  await expect(MirrorBlockDevice.open(device, other)).rejects.toThrow('4096')
  const mirror = await MirrorBlockDevice.open(device, leg(20))
  expect(await mirror.getInfo()).toEqual({ readWrite: true, sectorSize: S, sizeSectors: 20 })
  await expect(mirror.write(20, [sectors(1, 1)])).rejects.toThrow(RangeError)
  expect(mirror.failedLeg).toBeUndefined()
})

test('a read falls back, and the leg that failed is reported and never read again', async () => {
  const { first, second, mirror, failures } = await mirrored()
  const published: unknown[] = []
  const listen = (message: unknown): void => void published.push(message)
  subscribe(MIRROR_CHANNEL, listen)
  await mirror.write(0, [sectors(1, 7)])
  first.failing.add('read')
  expect(await firstByte(mirror, 0)).toBe(7)
  unsubscribe(MIRROR_CHANNEL, listen)
  expect(failures).toMatchObject([
    { device: 'mirror(leg, leg)', leg: 'first', legName: 'leg', operation: 'read' },
  ])
  expect(failures[0]?.error).toMatchObject({ code: 'BLOCK_IO' })
  expect(published).toEqual(failures)
  expect(mirror.failedLeg).toBe('first')
  first.failing.clear()
  first.requests.length = 0
  await mirror.write(0, [sectors(1, 8)])
  expect(await firstByte(mirror, 0)).toBe(8)
  await mirror.flush()
  expect(first.requests).toEqual([])
  expect(second.requests).toEqual(['write', 'read', 'write', 'read', 'flush'])
})

test('a leg that missed a write does not answer reads with what was there before', async () => {
  const { first, mirror, failures } = await mirrored()
  await mirror.write(0, [sectors(1, 1)])
  first.failing.add('write')
  await mirror.write(0, [sectors(1, 2)])
  first.failing.clear()
  expect(failures).toMatchObject([{ leg: 'first', operation: 'write' }])
  expect(await firstByte(mirror, 0)).toBe(2)
})

for (const operation of ['write', 'writeZeroes', 'flush'] as const) {
  test(`${operation} is acknowledged only when the failed leg has been recorded`, async () => {
    let recorded: () => void = () => {}
    const { second, mirror } = await mirrored({
      onLegFailed: () => new Promise((resolve) => (recorded = resolve)),
    })
    second.failing.add(operation)
    const settled: string[] = []
    const requests = {
      write: () => mirror.write(0, [sectors(1, 1)]),
      writeZeroes: () => mirror.writeZeroes(0, 1),
      flush: () => mirror.flush(),
    }
    const request = requests[operation]().then(() => settled.push('failed on one leg'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    const later = mirror.write(8, [sectors(1, 1)]).then(() => settled.push('later'))
    await new Promise((resolve) => setTimeout(resolve, 5))
    expect(mirror.failedLeg).toBe('second')
    expect(settled).toEqual([])
    recorded()
    await Promise.all([request, later])
    expect(settled).toHaveLength(2)
  })
}

test('nothing is acknowledged any more when a failed leg cannot be recorded', async () => {
  const { first, mirror } = await mirrored({
    onLegFailed: () => Promise.reject(new Error('no pencil')),
  })
  first.failing.add('read')
  expect(await firstByte(mirror, 0)).toBe(0)
  for (const request of [() => mirror.write(0, [sectors(1, 1)]), () => mirror.flush()]) {
    await expect(request()).rejects.toMatchObject({
      code: 'BLOCK_MIRROR_UNRECORDED',
      cause: { message: 'no pencil' },
    })
  }
  expect(await firstByte(mirror, 0)).toBe(1)
})

test('a request that both legs fail is an error; one leg stays, and is used again', async () => {
  const { first, second, mirror, failures } = await mirrored()
  for (const each of [first, second]) each.failing.add('write')
  await expect(mirror.write(0, [sectors(1, 1)])).rejects.toMatchObject({ code: 'BLOCK_IO' })
  expect(failures).toHaveLength(1)
  for (const each of [first, second]) each.failing.clear()
  await mirror.write(0, [sectors(1, 2)])
  expect(await firstByte(mirror, 0)).toBe(2)
  for (const each of [first, second]) each.failing.add('read')
  await expect(firstByte(mirror, 0)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  expect(failures).toHaveLength(1)
})

test('what both legs refuse without I/O drops none, what one refuses drops it', async () => {
  const { first, second, mirror, failures } = await mirrored()
  await first.disconnect()
  expect(await firstByte(mirror, 0)).toBe(0)
  expect(failures).toMatchObject([{ leg: 'first', error: { code: 'BLOCK_DISCONNECTED' } }])
  await second.disconnect()
  await expect(mirror.flush()).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })

  const again = await mirrored()
  await Promise.all([again.first.disconnect(), again.second.disconnect()])
  await expect(firstByte(again.mirror, 0)).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
  await expect(again.mirror.flush()).rejects.toMatchObject({ code: 'BLOCK_DISCONNECTED' })
  expect(again.failures).toEqual([])
})

test('overlapping writes in flight leave both legs the same', async () => {
  const { first, second, mirror } = await mirrored()
  let turn = 0
  for (const each of [first, second]) {
    // The later write overtakes the earlier one on every other leg.
    each.delay = () => new Promise((resolve) => setTimeout(resolve, [4, 1, 1, 4][turn++ % 4]))
  }
  await Promise.all([
    mirror.write(0, [sectors(4, 1)]),
    mirror.write(2, [sectors(4, 2)]),
    mirror.writeZeroes(3, 2),
    mirror.write(4, [sectors(1, 3)]),
  ])
  expect(await compare(first, second)).toEqual({ status: 'equal' })
  expect(await firstByte(mirror, 2)).toBe(2)
  expect(await firstByte(mirror, 4)).toBe(3)
})

test('a role is claimed on both legs or on none', async () => {
  const { first, second, mirror } = await mirrored()
  const claim = await mirror.claim('producer', {
    holder: 'mirror',
    onRequest: async (request) => `${request}!`,
  })
  expect(await first.ask('producer', 'a')).toBe('a!')
  expect(await second.ask('producer', 'b')).toBe('b!')
  expect(await mirror.ask('producer', 'c')).toBe('c!')
  await claim.release()
  await second.claim('producer', { holder: 'other' })
  await expect(mirror.claim('producer', { holder: 'mirror' })).rejects.toThrow('other')
  await (await first.claim('producer', { holder: 'free again' })).release()
})

test('resync makes the legs the same after a crash, writing only what differs', async () => {
  const { first, second, mirror } = await mirrored()
  await mirror.write(0, [sectors(32, 1)])
  await first.write(9, [sectors(2, 2)])
  second.requests.length = 0
  const options = { chunkBytes: 4 * S }
  expect(await resync(first, second, options)).toEqual({ writtenBytes: 4 * S })
  expect(second.requests.filter((each) => each === 'write')).toHaveLength(1)
  expect(second.requests.at(-1)).toBe('flush')
  expect(await compare(first, second)).toEqual({ status: 'equal' })
  expect(await firstByte(second, 10)).toBe(2)
  expect(await resync(first, second, options)).toEqual({ writtenBytes: 0 })
  await expect(resync(first, first)).rejects.toThrow(TypeError)
})

test('whatever fails on one leg at a time, a mirror answers what was written last', async () => {
  const operation = fc.record({
    kind: fc.constantFrom('write', 'zero', 'read', 'flush', 'fail'),
    at: fc.nat(31),
    length: fc.integer({ min: 1, max: 8 }),
    value: fc.integer({ min: 1, max: 255 }),
    which: fc.constantFrom('first', 'second'),
    failing: fc.constantFrom('read', 'write', 'writeZeroes', 'flush'),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { maxLength: 40 }), async (operations) => {
      const { first, second, mirror } = await mirrored()
      const model = new Uint8Array(32)
      let victim: string | undefined
      for (const { kind, at, length, value, which, failing } of operations) {
        const count = Math.min(length, 32 - at)
        if (kind === 'fail') {
          victim ??= which
          const device = victim === 'first' ? first : second
          device.failing.add(failing)
        } else if (kind === 'write') {
          await mirror.write(at, [sectors(count, value)])
          model.fill(value, at, at + count)
        } else if (kind === 'zero') {
          await mirror.writeZeroes(at, count)
          model.fill(0, at, at + count)
        } else if (kind === 'flush') {
          await mirror.flush()
        } else {
          expect(await firstByte(mirror, at)).toBe(model[at])
        }
      }
      for (let at = 0; at < 32; at++) expect(await firstByte(mirror, at)).toBe(model[at])
    }),
  )
})
