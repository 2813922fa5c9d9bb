import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Clock } from '../../../src/clock.ts'
import { BlockError } from '../../../src/errors.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { breakLease, readLeases } from '../../../src/ring/access/lease.ts'
import { LEASE, sealBlock } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { encodeLease, parseLease } from '../../../src/ring/format2/disk/lease-block.ts'
import type { LeaseOptions, LeaseRecord } from '../../../src/ring/lease-types.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { RECORD } from '../../helpers/lease-record.ts'

const UUID = Uint8Array.from({ length: 16 }, (_, at) => at)
const LEASE_SECTOR = (12_288 + 6 * 4096) / 512
const ITEM = [new TextEncoder().encode('item')]

/** A ring that two hosts share: what one claims, the other does not see. */
async function shared(): Promise<[HookedDevice, HookedDevice]> {
  const memory = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(memory, { blockSize: 512 })
  return [new HookedDevice(memory, { claims: false }), new HookedDevice(memory, { claims: false })]
}

/** What becomes of something, while time passes. */
async function whilePassing<T>(clock: FakeClock, ms: number, work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  await clock.advance(ms)
  return work
}

async function attach(
  device: HookedDevice,
  clock: FakeClock,
  lease: LeaseOptions,
  ms = 3000,
): Promise<Producer> {
  const attached = await whilePassing(clock, ms, Producer.attach(device, { clock, lease }))
  if (attached.status !== 'attached') throw new Error('nobody has suspended the ring')
  return attached.producer
}

/** The storage takes requests, and answers none. */
function hang(device: HookedDevice): void {
  device.before = () => new Promise(() => undefined)
}

describe('the record', () => {
  test('is read as it was written, from the first 512 bytes', () => {
    const block = new Uint8Array(4096)
    encodeLease(block, 40_960, UUID, RECORD)
    expect(parseLease(block, 40_960, UUID)).toEqual(RECORD)
    encodeLease(block, 40_960, UUID, { ...RECORD, confirmed: false })
    expect(parseLease(block, 40_960, UUID)).toEqual({ ...RECORD, confirmed: false })
    expect(block.subarray(512).every((byte) => byte === 0)).toBe(true)
  })

  test('counts as damaged whichever byte is another, and not as never leased', () => {
    const block = new Uint8Array(512)
    encodeLease(block, 40_960, UUID, RECORD)
    for (let at = 0; at < block.length; at++) {
      const damaged = block.slice()
      damaged[at] = (damaged[at] ?? 0) ^ 0x10
      expect(parseLease(damaged, 40_960, UUID).status, `byte ${at}`).toBe('damaged')
    }
    expect(parseLease(block, 45_056, UUID)).toMatchObject({ field: 'own offset' })
    expect(parseLease(new Uint8Array(512), 40_960, UUID)).toEqual({ status: 'never' })
  })

  test.each<[string, Partial<LeaseRecord>]>([
    ['timeout', { timeoutMs: 4999 }],
    ['timeout', { timeoutMs: 2 ** 32 - 1 }],
    ['epoch', { epoch: 0 }],
    ['epoch', { epoch: Number.MAX_SAFE_INTEGER }],
    ['epoch', { epoch: 2 ** 60 }],
    ['generation', { counter: 0 }],
    ['generation', { counter: Number.MAX_SAFE_INTEGER }],
    ['generation', { counter: 2 ** 60 }],
    ['owner', { owner: '' }],
    ['owner', { owner: '--help' }],
    ['owner', { owner: 'a -rf' }],
    ['owner', { owner: 'a $(reboot)' }],
    ['owner', { owner: '/etc/passwd' }],
    ['owner', { owner: 'a\nb' }],
    ['owner', { owner: 'a ' }],
    ['owner', { owner: ' a' }],
    ['owner', { owner: 'a  b' }],
    ['owner', { owner: 'h\u00f6st' }],
    ['owner', { owner: '\ufeffhost' }],
    ['owner', { owner: 'ho\u200bst' }],
  ])('with a %s that no program writes is damaged: %o', (field, wrong) => {
    const block = new Uint8Array(512)
    encodeLease(block, 40_960, UUID, { ...RECORD, ...wrong })
    expect(parseLease(block, 40_960, UUID)).toMatchObject({ status: 'damaged', field })
  })

  test('shows an invalid owner in printable characters', () => {
    const block = new Uint8Array(512)
    encodeLease(block, 40_960, UUID, RECORD)
    const owner = Uint8Array.from({ length: 160 }, (_, at) => 0x60 + at)
    block.set(owner, 96)
    block[93] = owner.length
    sealBlock(block, { type: LEASE, offset: 40_960, uuid: UUID, generation: 12 })
    const damaged = parseLease(block, 40_960, UUID)
    expect(damaged).toMatchObject({ field: 'owner', found: expect.stringMatching(/^[ -~]+$/) })
  })
})

describe('a role that is leased', () => {
  test('is refused to others, with a lease and without, and free when it is released', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    const producer = await attach(one, clock, { owner: 'one' })
    expect((await readLeases(two)).producer).toMatchObject({
      status: 'held',
      owner: 'one',
      epoch: 1,
    })
    expect((await readLeases(two)).consumer).toEqual({ status: 'never' })
    const leased = { code: 'RING_LEASED', details: { holder: 'one', field: 'producer lease' } }
    await expect(Producer.attach(two)).rejects.toMatchObject(leased)
    await expect(attach(two, clock, { owner: 'two' })).rejects.toMatchObject(leased)
    const unfenced = attach(two, clock, { owner: 'two', unfenced: true }, 40_000)
    await expect(unfenced).rejects.toMatchObject(leased)
    expect(await producer.append(ITEM)).toMatchObject({ status: 'ok' })
    await whilePassing(clock, 0, producer.close())
    expect((await readLeases(two)).producer).toMatchObject({ status: 'free', owner: 'one' })
    const next = await attach(two, clock, { owner: 'two' })
    expect((await readLeases(one)).producer).toMatchObject({ owner: 'two', epoch: 2 })
    await whilePassing(clock, 0, next.close())
    const plain = await Producer.attach(one, { clock })
    expect(plain.status).toBe('attached')
  })

  test('leaves the other role alone', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    const producer = await attach(one, clock, { owner: 'one' })
    const consumer = await Consumer.attach(two, { clock })
    await producer.append(ITEM)
    expect(await consumer.popMany()).toHaveLength(1)
  })

  test('is taken over from a host that is silent, after its fence, and not before', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    await attach(one, clock, { owner: 'one', timeoutMs: 10_000 })
    hang(one)
    const fenced: LeaseRecord[] = []
    const fence = async (holder: LeaseRecord): Promise<void> => {
      fenced.push(holder)
      expect((await readLeases(two)).producer).toMatchObject({ owner: 'one' })
    }
    const taking = Producer.attach(two, { clock, lease: { owner: 'two', fence } })
    await clock.advance(12_400)
    expect(fenced).toEqual([])
    await clock.advance(200)
    expect(fenced).toMatchObject([{ owner: 'one', epoch: 1, timeoutMs: 10_000 }])
    expect(await whilePassing(clock, 3000, taking)).toMatchObject({ status: 'attached' })
  })

  test('is not taken over, nor anybody fenced, if the holder has a name that no host can have', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    const { uuid } = (await Disk.open(one)).ring
    const block = new Uint8Array(512)
    encodeLease(block, LEASE_SECTOR * 512, uuid, { ...RECORD, owner: '--help' })
    await one.write(LEASE_SECTOR, [block])
    const fenced: LeaseRecord[] = []
    const fence = async (holder: LeaseRecord): Promise<void> => void fenced.push(holder)
    const corrupt = { code: 'RING_CORRUPT', details: { field: 'producer lease owner' } }
    const taking = attach(two, clock, { owner: 'two', fence }, 60_000)
    await expect(taking).rejects.toMatchObject(corrupt)
    expect(fenced).toEqual([])
    const broken = breakLease(two, 'producer', { clock })
    expect(await whilePassing(clock, 100, broken)).toMatchObject({ status: 'damaged' })
    await attach(two, clock, { owner: 'two', fence })
  })

  test('is not taken over if the fence fails', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    await attach(one, clock, { owner: 'one', timeoutMs: 5000 })
    hang(one)
    const fence = () => Promise.reject(new Error('no power switch'))
    const refused = { code: 'RING_LEASED', cause: { message: 'no power switch' } }
    const taking = attach(two, clock, { owner: 'two', fence }, 20_000)
    await expect(taking).rejects.toMatchObject(refused)
    expect((await readLeases(two)).producer).toMatchObject({ owner: 'one' })
  })

  test('is taken at once by a host that may reclaim it', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    await attach(one, clock, { owner: 'one' })
    hang(one)
    await attach(two, clock, { owner: 'one', reclaim: true })
    expect((await readLeases(two)).producer).toMatchObject({ epoch: 2 })
  })

  test('is not taken if a clock says that it took too long, and the error names the clock', async () => {
    for (const { leapMs, took, why } of [
      { leapMs: 0, took: 2100, why: 'the storage took more than 2 s' },
      { leapMs: 5000, took: 0, why: 'the wall clock of this host went 5.0 s forward' },
    ]) {
      const clock = new FakeClock()
      const [one] = await shared()
      let leapt = 0
      const wall: Clock = {
        now: () => clock.now(),
        time: () => clock.time() + leapt,
        sleep: (ms, signal) => clock.sleep(ms, signal),
      }
      one.before = async ({ sector, operation }) => {
        if (sector !== LEASE_SECTOR || operation !== 'write') return
        leapt = leapMs
        if (took > 0) await clock.sleep(took)
      }
      const taking = Producer.attach(one, { clock: wall, lease: { owner: 'one' } })
      await expect(whilePassing(clock, 6000, taking)).rejects.toMatchObject({
        code: 'RING_LEASE_LOST',
        message: expect.stringContaining(why),
      })
    }
  })

  test('is waited for by a host that may reclaim it, if the earlier run may have been too late', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    await attach(one, clock, { owner: 'one', timeoutMs: 10_000 })
    const { uuid } = (await Disk.open(two)).ring
    const late = new Uint8Array(512)
    const wanted = { ...RECORD, owner: 'two', confirmed: false, timeoutMs: 10_000 }
    encodeLease(late, LEASE_SECTOR * 512, uuid, wanted)
    await two.write(LEASE_SECTOR, [late])
    const taking = Producer.attach(two, { clock, lease: { owner: 'two', reclaim: true } })
    await clock.advance(12_400)
    expect((await readLeases(two)).producer).toEqual(wanted)
    expect(await whilePassing(clock, 3000, taking)).toMatchObject({ status: 'attached' })
  })

  test('is not waited for any longer when the signal says so', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    await attach(one, clock, { owner: 'one' })
    hang(one)
    const stop = new AbortController()
    const lease = { owner: 'two', unfenced: true }
    const taking = Producer.attach(two, { clock, lease, signal: stop.signal })
    taking.catch(() => undefined)
    await clock.advance(1000)
    stop.abort(new Error('enough'))
    await expect(taking).rejects.toThrow('enough')
  })
})

describe('a holder', () => {
  test('continues as long as it can renew', async () => {
    const clock = new FakeClock()
    const [one] = await shared()
    const producer = await attach(one, clock, { owner: 'one', timeoutMs: 5000 })
    const { producer: before } = await readLeases(one)
    await clock.advance(60_000)
    expect(await producer.append(ITEM)).toMatchObject({ status: 'ok' })
    const { producer: after } = await readLeases(one)
    const counters = [before, after].map((state) => ('counter' in state ? state.counter : 0))
    expect((counters[1] ?? 0) - (counters[0] ?? 0)).toBeGreaterThan(30)
  })

  test('gives up a write that hangs when its time is over, and ends', async () => {
    const clock = new FakeClock()
    const [one] = await shared()
    const producer = await attach(one, clock, { owner: 'one', timeoutMs: 10_000 })
    hang(one)
    const lost = { code: 'RING_LEASE_LOST' }
    const append = producer.append(ITEM)
    await expect(whilePassing(clock, 9000, append)).rejects.toMatchObject(lost)
    await expect(producer.append(ITEM)).rejects.toMatchObject({
      code: 'RING_POISONED',
      cause: lost,
    })
    await whilePassing(clock, 0, producer.close())
  })

  test('counts its time from before a renewal was issued, not from when it was answered', async () => {
    const clock = new FakeClock()
    const [one] = await shared()
    const producer = await attach(one, clock, { owner: 'one', timeoutMs: 10_000 }, 2500)
    let reads = 0
    one.before = async ({ sector, operation }) => {
      if (sector !== LEASE_SECTOR) return
      if (operation === 'write') await clock.sleep(4000)
      else if (++reads > 1) await new Promise(() => undefined)
    }
    // Renewed at 3,300, which is answered at 7,300; the next renewal hangs.
    await clock.advance(9600)
    expect(await producer.append(ITEM)).toMatchObject({ status: 'ok' })
    await clock.advance(300)
    await expect(producer.append(ITEM)).rejects.toMatchObject({ code: 'RING_LEASE_LOST' })
  })

  test('does not begin a write when its time is over by the wall clock alone', async () => {
    const clock = new FakeClock()
    const [one] = await shared()
    let asleepMs = 0
    const wall: Clock = {
      now: () => clock.now(),
      time: () => clock.time() + asleepMs,
      sleep: (ms, signal) => clock.sleep(ms, signal),
    }
    const attaching = Producer.attach(one, { clock: wall, lease: { owner: 'one' } })
    const attached = await whilePassing(clock, 3000, attaching)
    asleepMs = 60_000
    one.take()
    if (attached.status !== 'attached') throw new Error('nobody has suspended the ring')
    const append = attached.producer.append(ITEM)
    await expect(append).rejects.toMatchObject({
      code: 'RING_LEASE_LOST',
      message: expect.stringContaining('wall clock of this host went 60.0 s forward at once'),
    })
    expect(one.take()).toEqual([])
  })

  test('stops when it finds another record, or when the lease was broken', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    const producer = await attach(one, clock, { owner: 'one', timeoutMs: 10_000 })
    expect(await breakLease(two, 'producer', { clock })).toMatchObject({ status: 'held' })
    expect((await readLeases(two)).producer).toMatchObject({ status: 'free', owner: 'one' })
    await clock.advance(4000)
    await expect(producer.append(ITEM)).rejects.toMatchObject({ code: 'RING_LEASE_LOST' })
    await whilePassing(clock, 0, producer.close())
    expect(await breakLease(two, 'producer', { clock })).toMatchObject({ status: 'free' })
  })

  test('does not release the role after a write whose outcome nobody knows', async () => {
    const clock = new FakeClock()
    const [one, two] = await shared()
    const producer = await attach(one, clock, { owner: 'one' })
    one.before = ({ operation }) => {
      if (operation === 'write') throw new BlockError('BLOCK_IO', 'no answer', { device: 'one' })
    }
    await expect(producer.append(ITEM)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    one.before = () => undefined
    await whilePassing(clock, 100, producer.close())
    expect((await readLeases(two)).producer).toMatchObject({ status: 'held', owner: 'one' })
  })
})

test('a damaged record counts as held until it is broken', async () => {
  const clock = new FakeClock()
  const [one] = await shared()
  await one.write(LEASE_SECTOR, [new Uint8Array(512).fill(7)])
  const corrupt = { code: 'RING_CORRUPT', details: { field: 'producer lease magic' } }
  const attaching = Producer.attach(one, { clock })
  await expect(whilePassing(clock, 100, attaching)).rejects.toMatchObject(corrupt)
  const breaking = breakLease(one, 'producer', { clock })
  expect(await whilePassing(clock, 100, breaking)).toMatchObject({ status: 'damaged' })
  expect(await Producer.attach(one, { clock })).toMatchObject({ status: 'attached' })
})

test('breaking is refused while the role is held on this machine', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  await Producer.attach(device)
  await expect(breakLease(device, 'producer')).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
})

test('invalid options are refused before anything is done', async () => {
  const [one] = await shared()
  const fence = async (): Promise<void> => undefined
  for (const lease of [
    { owner: '' },
    { owner: 'x'.repeat(65) },
    { owner: 'a\nb' },
    { owner: '--help' },
    { owner: 'a --help' },
    { owner: 'a  b' },
    { owner: 'a;b' },
    { owner: 'h\u00f6st' },
    { owner: 'a', timeoutMs: 4999 },
    { owner: 'a', timeoutMs: 5000.5 },
    { owner: 'a', timeoutMs: 3_600_001 },
    { owner: 'a', fence, unfenced: true },
  ]) {
    await expect(Producer.attach(one, { lease })).rejects.toThrow(RangeError)
  }
  for (const lease of [{ owner: 5n }, { owner: 'a', unfence: true }]) {
    await expect(Producer.attach(one, { lease } as never)).rejects.toThrow(TypeError)
  }
  expect((await readLeases(one)).producer).toEqual({ status: 'never' })
})

test('format 1 has no room for a lease', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 64 })
  await Producer.create(device, { format: 1 })
  const lease = { owner: 'a' }
  await expect(Producer.attach(device, { lease })).rejects.toThrow(RangeError)
  await expect(Consumer.attach(device, { lease })).rejects.toThrow(RangeError)
  await expect(readLeases(device)).rejects.toThrow(RangeError)
})

test('a ring that is made where something else was has no leases', async () => {
  const device = await MemoryBlockDevice.from(new Uint8Array(256 * 1024).fill(0xa5))
  await Producer.create(device, { eraseOther: true })
  expect(await readLeases(device)).toMatchObject({
    producer: { status: 'never' },
    consumer: { status: 'never' },
  })
})
