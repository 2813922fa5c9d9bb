import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Pool, type PoolOptions } from '../../src/pool/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { breakLease } from '../../src/ring/access/lease.ts'
import type { LeaseOptions } from '../../src/ring/lease-types.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { imageOf, namesIn, poolDevice, START, UNIT } from './pools.ts'

const SECTOR = 512
/** Where the lease of the producer is in a ring with blocks of up to 4096 bytes. */
const LEASE_AT = 12_288 + 6 * 4096
const LEASED = { code: 'RING_LEASED', details: { holder: 'one' } }
const ROLES = ['producer', 'consumer'] as const

/** Overwrites sectors of the first ring, but for its leases. */
function wipe(from: number, to: number): (device: BlockDevice) => Promise<void> {
  return async (device) => {
    for (let at = (START + from) / SECTOR; at < (START + to) / SECTOR; at++) {
      const sector = Buffer.alloc(SECTOR)
      await device.read(at, [sector])
      const isLease = sector.toString('latin1', 0, 7) === 'SBRING2' && sector[12] === 4
      if (!isLease) await device.write(at, [new Uint8Array(SECTOR)])
    }
  }
}

interface Case {
  readonly what: string
  readonly blockSize: number
  /** What happens to the ring. */
  readonly spoil: (device: BlockDevice) => Promise<void>
  /** The sectors of whoever removes it. */
  readonly sectorSize?: number
}

const BYTES = 32 * UNIT
const CASES: readonly Case[] = [
  { what: 'with everything but its leases gone', blockSize: 4096, spoil: wipe(0, BYTES) },
  { what: 'without superblocks', blockSize: 4096, spoil: wipe(12_288, BYTES) },
  { what: 'without slots', blockSize: 4096, spoil: wipe(20_480, 36_864) },
  { what: 'of blocks of 512 bytes', blockSize: 512, spoil: wipe(0, BYTES) },
  { what: 'of blocks of 64 KiB', blockSize: 65_536, spoil: wipe(0, BYTES) },
  {
    what: 'with blocks smaller than sectors',
    blockSize: 512,
    spoil: async () => undefined,
    sectorSize: 4096,
  },
]

function lease(owner: string): LeaseOptions {
  return { owner, timeoutMs: 5000 }
}

/** What becomes of something, while time passes. */
async function passing<T>(clock: FakeClock, work: Promise<T>, ms = 12_000): Promise<T> {
  work.catch(() => undefined)
  await clock.advance(ms)
  return work
}

/** The pool of a device on which a host sees no claims of another. */
function hostAt(device: BlockDevice, clock: FakeClock, options: PoolOptions = {}): Promise<Pool> {
  return Pool.open(new HookedDevice(device, { claims: false }), { clock, ...options })
}

/** A pool whose ring `a` one host has leased and spoilt. */
async function spoilt(
  { blockSize, spoil, sectorSize }: Case,
  role: (typeof ROLES)[number],
): Promise<{ readonly device: BlockDevice; readonly clock: FakeClock; close(): Promise<void> }> {
  const clock = new FakeClock()
  const device = await poolDevice(BYTES / UNIT)
  const pool = await hostAt(device, clock)
  await pool.add('a', { sizeBytes: BYTES, blockSize })
  const ring = await pool.open('a')
  const how = { clock, lease: lease('one') }
  const held =
    role === 'consumer'
      ? await passing(clock, Consumer.attach(ring, how))
      : await passing(clock, Producer.attach(ring, how))
  await spoil(device)
  const close = async (): Promise<void> => {
    if ('status' in held) {
      if (held.status === 'attached') await passing(clock, held.producer.close())
    } else await passing(clock, held.close())
  }
  if (sectorSize === undefined) return { device, clock, close }
  const image = await imageOf(device)
  return { device: await MemoryBlockDevice.from(image, { sectorSize, name: 'disk' }), clock, close }
}

describe.each(CASES)('a ring $what', (each) => {
  test.each(ROLES)('is not removed while another host has leased its %s', async (role) => {
    const { device, clock } = await spoilt(each, role)
    for (const options of [{}, { lease: lease('other') }]) {
      const pool = await hostAt(device, clock, options)
      const removing = pool.remove('a', { discardItems: true })
      await expect(passing(clock, removing)).rejects.toMatchObject(LEASED)
      expect(await namesIn(pool)).toEqual(['a'])
    }
  })
})

const [GONE] = CASES as [Case]

describe('a ring of which only its leases are left', () => {
  test('is removed once the host that had leased it has closed it', async () => {
    for (const options of [{}, { lease: lease('other') }]) {
      const { device, clock, close } = await spoilt(GONE, 'producer')
      await close()
      const pool = await hostAt(device, clock, options)
      await passing(clock, pool.remove('a', { discardItems: true }), 20_000)
      expect(await namesIn(pool)).toEqual([])
    }
  })

  test('is removed with a fence for the host that had leased it', async () => {
    const { device } = await spoilt(GONE, 'producer')
    const later = new FakeClock()
    const fenced: string[] = []
    const fence = async ({ owner }: { readonly owner: string }): Promise<void> => {
      fenced.push(owner)
    }
    const pool = await hostAt(device, later, { lease: { ...lease('other'), fence } })
    await passing(later, pool.remove('a', { discardItems: true }), 30_000)
    expect(fenced).toEqual(['one'])
    expect(await namesIn(pool)).toEqual([])
  })

  test('is removed once the lease was broken', async () => {
    const { device, clock } = await spoilt(GONE, 'consumer')
    const pool = await hostAt(device, clock)
    const ring = await pool.open('a')
    expect(await breakLease(ring, 'consumer', { clock })).toMatchObject({ owner: 'one' })
    await pool.remove('a', { discardItems: true })
    expect(await namesIn(pool)).toEqual([])
  })

  test('is not removed while its lease is damaged, until that is broken', async () => {
    const { device, clock } = await spoilt(GONE, 'producer')
    const sector = new Uint8Array(SECTOR)
    await device.read((START + LEASE_AT) / SECTOR, [sector])
    sector.fill(0xff, 100, 108)
    await device.write((START + LEASE_AT) / SECTOR, [sector])
    const pool = await hostAt(device, clock)
    const removing = pool.remove('a', { discardItems: true })
    await expect(passing(clock, removing)).rejects.toMatchObject({
      code: 'RING_CORRUPT',
      message: expect.stringContaining('sbr lease break disk#a --role producer'),
    })
    const ring = await pool.open('a')
    const breaking = breakLease(ring, 'producer', { clock })
    expect(await passing(clock, breaking)).toMatchObject({ status: 'damaged' })
    await pool.remove('a', { discardItems: true })
    expect(await namesIn(pool)).toEqual([])
  })
})

describe('a device with a ring that another host has leased', () => {
  const wiped = async (device: BlockDevice): Promise<void> => {
    const sector = new Uint8Array(SECTOR)
    for (let at = 0; at < LEASE_AT / SECTOR; at++) await device.write(at, [sector])
  }

  test.each([
    ['readable', async () => undefined],
    ['without superblocks', wiped],
  ] as const)('does not become a pool: %s', async (_, spoil) => {
    const clock = new FakeClock()
    const device = new MemoryBlockDevice({ sizeSectors: 16_384, name: 'disk' })
    await Producer.create(device)
    const host = new HookedDevice(device, { claims: false })
    await passing(clock, Producer.attach(host, { clock, lease: lease('one') }))
    await spoil(device)
    const before = await imageOf(device)
    await expect(Pool.create(device, { eraseOther: true })).rejects.toMatchObject(LEASED)
    expect(Buffer.compare(await imageOf(device), before)).toBe(0)
    await breakLease(device, 'producer')
    expect(await Pool.create(device, { eraseOther: true })).toEqual({ created: true })
  })
})
