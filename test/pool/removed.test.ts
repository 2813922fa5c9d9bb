import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import type { RingError } from '../../src/errors.ts'
import { Pool } from '../../src/pool/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { breakLease } from '../../src/ring/access/lease.ts'
import type { LeaseOptions } from '../../src/ring/lease-types.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { attachProducer } from '../helpers/ring.ts'
import { imageOf, itemsOf, namesIn, poolDevice, poolWith, put, START, UNIT } from './pools.ts'

const REMOVED = { code: 'RING_REMOVED' }

/** What tries to write or to take a role through a device that was opened before. */
const STALE: readonly (readonly [string, (ring: BlockDevice) => Promise<unknown>])[] = [
  ['attaching a producer', (ring) => Producer.attach(ring)],
  ['attaching a consumer', (ring) => Consumer.attach(ring)],
  ['creating a ring', (ring) => Producer.create(ring, { eraseOther: true })],
  ['breaking a lease', (ring) => breakLease(ring, 'producer')],
  ['inspecting', (ring) => inspectRing(ring)],
  ['a claim', (ring) => ring.claim('producer', { holder: 'late' })],
  ['a write', (ring) => ring.write(0, [new Uint8Array(512)])],
  ['a durable write', (ring) => ring.write(8, [new Uint8Array(512)], { durable: true })],
  ['zeroes', (ring) => ring.writeZeroes(0, 4)],
  ['a discard', (ring) => ring.discard(0, 4)],
]

describe('a device of a ring that was removed', () => {
  for (const claims of [true, false]) {
    test.each(STALE)(`is refused %s, ${claims ? 'with' : 'without'} claims`, async (_, call) => {
      const device = new HookedDevice(await poolDevice(), { claims })
      const pool = await Pool.open(device)
      await pool.add('a', { sizeBytes: UNIT })
      const stale = await pool.open('a')
      await pool.remove('a')
      const { offset } = await pool.add('a', { sizeBytes: UNIT })
      expect(offset).toBe(START)
      await put(await pool.open('a'), 'item')
      const before = await imageOf(device)
      // A device without claims refuses those that need one as unsupported.
      const codes = claims ? ['RING_REMOVED'] : ['RING_REMOVED', 'BLOCK_UNSUPPORTED']
      const outcome = await call(stale).catch((error: unknown) => error)
      expect(codes).toContain((outcome as RingError).code)
      expect(Buffer.compare(await imageOf(device), before)).toBe(0)
      expect(await itemsOf(await pool.open('a'))).toEqual(['item'])
    })
  }

  test('is refused a write that another program’s removal preceded', async () => {
    const pool = await poolWith('a', 'b')
    const stale = await pool.open('a')
    await (await Pool.open(pool.device)).remove('a')
    await expect(stale.write(0, [new Uint8Array(512)])).rejects.toMatchObject(REMOVED)
  })
})

describe('removing a ring', () => {
  test.each(['producer', 'consumer', 'produce', 'creator'])(
    'is refused while its %s is at work on this machine',
    async (role) => {
      const pool = await poolWith('a')
      const ring = await pool.open('a')
      const claim = await ring.claim(role, { holder: 'somebody' })
      await expect(pool.remove('a')).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
      await expect(pool.remove('a', { discardItems: true })).rejects.toMatchObject({
        code: 'BLOCK_CLAIMED',
      })
      expect(await namesIn(pool)).toEqual(['a'])
      await claim.release()
      await pool.remove('a')
      expect(await namesIn(pool)).toEqual([])
    },
  )

  test('a role that is claimed works without looking at the directory again', async () => {
    const device = new HookedDevice(await poolDevice())
    const pool = await Pool.open(device)
    await pool.add('a', { sizeBytes: UNIT })
    const producer = await attachProducer(await pool.open('a'))
    device.take()
    await producer.append([new Uint8Array(1)])
    const directory = device.take().filter(({ sector }) => sector < START / 512)
    expect(directory.filter(({ operation }) => operation !== 'flush')).toEqual([])
    await producer.close()
  })

  test('is refused while it has items, or cannot be read, unless that is meant', async () => {
    const pool = await poolWith('a', 'b')
    await put(await pool.open('a'), 'item')
    await pool.device.write((START + UNIT) / 512, [new Uint8Array(UNIT)])
    for (const name of ['a', 'b']) {
      await expect(pool.remove(name)).rejects.toMatchObject({ code: 'RING_NOT_EMPTY' })
    }
    for (const name of ['a', 'b']) await pool.remove(name, { discardItems: true })
    expect(await namesIn(pool)).toEqual([])
  })

  test('leaves nothing for the next ring at its place to take for its own', async () => {
    const pool = await poolWith('a')
    await put(await pool.open('a'), 'item')
    await pool.remove('a', { discardItems: true })
    await pool.add('b', { sizeBytes: UNIT })
    expect(await itemsOf(await pool.open('b'))).toEqual([])
  })
})

describe('two hosts', () => {
  const lease = (owner: string): LeaseOptions => ({ owner, timeoutMs: 5000 })

  /** A pool that two hosts share: what one claims, the other does not see. */
  async function shared(clock: FakeClock, leased: boolean): Promise<readonly [Pool, Pool]> {
    const device = await poolDevice()
    const host = async (owner: string): Promise<Pool> => {
      const own = new HookedDevice(device, { claims: false })
      return Pool.open(own, { clock, ...(leased && { lease: lease(owner) }) })
    }
    return [await host('one'), await host('other')]
  }

  /** What becomes of something, while time passes. */
  async function passing<T>(clock: FakeClock, work: Promise<T>, ms = 12_000): Promise<T> {
    work.catch(() => undefined)
    await clock.advance(ms)
    return work
  }

  test('change a pool in turn, by its lease', async () => {
    const clock = new FakeClock()
    const [one, other] = await shared(clock, true)
    await passing(clock, one.add('a', { sizeBytes: UNIT }))
    await passing(clock, other.add('c', { sizeBytes: UNIT }))
    expect(await namesIn(one)).toEqual(['a', 'c'])
    expect((await one.readLease()).status).toBe('free')
  })

  test('only one of two that change it at once does so', async () => {
    const clock = new FakeClock()
    const [one, other] = await shared(clock, true)
    const outcomes = Promise.allSettled([
      one.add('a', { sizeBytes: UNIT }),
      other.add('b', { sizeBytes: UNIT }),
    ])
    await clock.advance(12_000)
    const added = (await outcomes).filter(({ status }) => status === 'fulfilled')
    expect(added).toHaveLength(1)
    expect(await namesIn(one)).toHaveLength(1)
  })

  test('a host without a lease does not change what another one has leased', async () => {
    const clock = new FakeClock()
    const [one, other] = await shared(clock, true)
    const adding = one.add('a', { sizeBytes: UNIT })
    adding.catch(() => undefined)
    await clock.advance(100)
    const unleased = await Pool.open(other.device, { clock })
    await expect(unleased.add('b', { sizeBytes: UNIT })).rejects.toMatchObject({
      code: 'RING_LEASED',
      message: expect.stringContaining('--role directory'),
    })
    await passing(clock, adding)
  })

  test('a ring that one has leased is not removed by the other', async () => {
    const clock = new FakeClock()
    const [one, other] = await shared(clock, true)
    await passing(clock, one.add('a', { sizeBytes: UNIT }))
    const attached = await passing(
      clock,
      Producer.attach(await one.open('a'), { clock, lease: lease('one') }),
    )
    await expect(passing(clock, other.remove('a'))).rejects.toMatchObject({ code: 'RING_LEASED' })
    const unleased = await Pool.open(other.device, { clock })
    await expect(unleased.remove('a')).rejects.toMatchObject({ code: 'RING_LEASED' })
    if (attached.status === 'attached') await passing(clock, attached.producer.close())
    await passing(clock, other.remove('a'), 20_000)
    expect(await namesIn(one)).toEqual([])
  })

  test('a role that is leased while its ring is removed is refused', async () => {
    const clock = new FakeClock()
    const [one, other] = await shared(clock, false)
    await one.add('a', { sizeBytes: UNIT })
    const ring = await one.open('a')
    const attaching = Producer.attach(ring, { clock, lease: lease('one') })
    attaching.catch(() => undefined)
    await clock.advance(0)
    // As if the record had been written too late to be seen.
    const image = await imageOf(one.device)
    await one.device.write((START + 12_288 + 6 * 4096) / 512, [new Uint8Array(4096)])
    await other.remove('a')
    const record = image.slice(START + 12_288 + 6 * 4096, START + 12_288 + 7 * 4096)
    await one.device.write((START + 12_288 + 6 * 4096) / 512, [record])
    await expect(passing(clock, attaching)).rejects.toMatchObject(REMOVED)
  })
})
