import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../../src/block/device.ts'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { crc32c } from '../../../src/checksum/crc32c.ts'
import { gatedDevice, type SentRequest } from '../../../src/conformance/device/gated.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { breakLease, readLeases } from '../../../src/ring/access/lease.ts'
import type { LeaseOptions } from '../../../src/ring/lease-types.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { HookedDevice } from '../../helpers/hooked.ts'
import { append, attachProducer } from '../../helpers/ring.ts'

const LOST = { code: 'RING_LEASE_LOST' }
const LEASE = { owner: 'one', timeoutMs: 10_000 }
const LARGE = new Uint8Array(1 << 20).fill(7)
/** Where the producer's lease is in a ring of 512-byte blocks. */
const LEASE_SECTOR = (12_288 + 6 * 4096) / 512

/** What becomes of something, while time passes. */
async function whilePassing<T>(clock: FakeClock, ms: number, work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  await clock.advance(ms)
  return work
}

/** A device that sends in pieces, and holds up what the test says. */
async function gated() {
  const sent: SentRequest[] = []
  let holds = (_: SentRequest): boolean => false
  let waiting: (() => void)[] = []
  const device = await gatedDevice(
    async (request) => {
      sent.push(request)
      if (holds(request)) await new Promise<void>((resolve) => waiting.push(resolve))
    },
    { sizeSectors: 16_384 },
  )
  await Producer.create(device)
  return {
    device,
    sent,
    /** Holds up a request of that kind, counted from 1, and all that come later. */
    hold(operation: SentRequest['operation'], nth: number): void {
      let seen = 0
      holds = (request) => seen >= nth || (request.operation === operation && ++seen === nth)
    },
    holdReads(): void {
      holds = ({ operation }) => operation === 'read'
    },
    get isHeld(): boolean {
      return waiting.length > 0
    },
    /** Lets the first of those go that are held up. */
    releaseOne(): void {
      waiting.shift()?.()
    },
    /** Holds up nothing any more. */
    release(): void {
      holds = () => false
      const released = waiting
      waiting = []
      for (const resolve of released) resolve()
    },
  }
}

async function leased(
  device: BlockDevice,
  clock: FakeClock,
  lease: LeaseOptions = LEASE,
): Promise<Producer> {
  const attached = await whilePassing(clock, 3000, Producer.attach(device, { clock, lease }))
  if (attached.status !== 'attached') throw new Error('nobody has suspended the ring')
  return attached.producer
}

describe('a lease that is over', () => {
  for (const [what, operation, nth] of [
    ['no further piece of a write is sent', 'write', 3],
    ['no flush is sent for the pieces that were', 'write', 17],
  ] as const) {
    test(`${what}, and none after detach and disconnect`, async () => {
      const clock = new FakeClock()
      const gate = await gated()
      const producer = await leased(gate.device, clock)
      gate.hold(operation, nth)
      const pushed = producer.append([LARGE])
      await expect(whilePassing(clock, 9000, pushed)).rejects.toMatchObject(LOST)
      expect(gate.isHeld).toBe(true)
      const before = gate.sent.length
      gate.release()
      await clock.settle()
      expect(gate.sent.slice(before)).toEqual([])
      await whilePassing(clock, 0, producer.close())
      await gate.device.disconnect()
      await clock.advance(60_000)
      expect(gate.sent.slice(before)).toEqual([])
    })
  }

  test('lets no further piece of a read be sent', async () => {
    const clock = new FakeClock()
    const gate = await gated()
    await append(await attachProducer(gate.device, { clock }), LARGE)
    const attaching = Consumer.attach(gate.device, { clock, lease: LEASE })
    const consumer = await whilePassing(clock, 3000, attaching)
    gate.hold('read', 4)
    const popped = consumer.popMany()
    await expect(whilePassing(clock, 9000, popped)).rejects.toMatchObject(LOST)
    expect(gate.isHeld).toBe(true)
    const before = gate.sent.length
    gate.release()
    await clock.settle()
    expect(gate.sent.slice(before)).toEqual([])
    await whilePassing(clock, 0, consumer.close())
    await clock.advance(60_000)
    expect(gate.sent.slice(before)).toEqual([])
  })

  test('a renewal writes nothing: not after its read, nor if its write was held up', async () => {
    for (const held of ['read', 'write'] as const) {
      const clock = new FakeClock()
      const memory = new MemoryBlockDevice({ sizeSectors: 512 })
      await Producer.create(memory, { blockSize: 512 })
      const device = new HookedDevice(memory, { claims: false })
      const producer = await leased(device, clock)
      const before = await readLeases(memory)
      let isHeld = false
      let release = (): void => undefined
      device.before = async ({ operation, sector }) => {
        if (operation !== held || sector !== LEASE_SECTOR) return
        isHeld = true
        await new Promise<void>((resolve) => {
          release = resolve
        })
      }
      await clock.advance(9000)
      expect(isHeld, held).toBe(true)
      await expect(producer.append([LARGE.subarray(0, 9)]), held).rejects.toMatchObject(LOST)
      release()
      await clock.advance(1000)
      expect(await readLeases(memory), held).toEqual(before)
    }
  })
})

test('a record that is held up when a role is taken is not written late', async () => {
  const clock = new FakeClock()
  const memory = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(memory, { blockSize: 512 })
  const device = new HookedDevice(memory)
  device.before = async ({ operation }) => {
    if (operation === 'write') await clock.sleep(2100)
  }
  const taking = Producer.attach(device, { clock, lease: LEASE })
  await expect(whilePassing(clock, 3000, taking)).rejects.toMatchObject(LOST)
  expect((await readLeases(memory)).producer).toEqual({ status: 'never' })
})

describe('a device gets another ring while a host waits for the lease of the old one', () => {
  for (const blockSize of [512, 4096]) {
    test(`of ${blockSize}-byte blocks: the host is refused, and leaves the new one alone`, async () => {
      const clock = new FakeClock()
      const memory = new MemoryBlockDevice({ sizeSectors: 1024 })
      await Producer.create(memory, { blockSize: 512 })
      const one = new HookedDevice(memory, { claims: false })
      const two = new HookedDevice(memory, { claims: false })
      await leased(one, clock)
      one.before = () => new Promise(() => undefined)
      const lease = { owner: 'two', timeoutMs: 10_000, fence: async () => undefined }
      const taking = Producer.attach(two, { clock, lease })
      taking.catch(() => undefined)
      await clock.advance(5000)
      await memory.writeZeroes(0, 1024)
      await Producer.create(memory, { blockSize })
      const before = await everySector(memory)
      await clock.advance(60_000)
      await expect(taking).rejects.toMatchObject(LOST)
      expect(await everySector(memory)).toEqual(before)
      expect(await readLeases(memory)).toMatchObject({ producer: { status: 'never' } })
      await append(await attachProducer(memory), LARGE.subarray(0, 1000))
      expect(await verifyRing(memory)).toMatchObject({ findings: [] })
    })
  }

  test('after the fence, while its own record settles: it is refused too', async () => {
    const clock = new FakeClock()
    const memory = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(memory, { blockSize: 512 })
    const device = new HookedDevice(memory, { claims: false })
    const taking = Producer.attach(device, { clock, lease: LEASE })
    taking.catch(() => undefined)
    await clock.advance(1000)
    await memory.writeZeroes(0, 512)
    await Producer.create(memory, { blockSize: 512 })
    await clock.advance(2000)
    await expect(taking).rejects.toMatchObject(LOST)
    expect(await breakLease(memory, 'producer')).toEqual({ status: 'never' })
  })
})

test('a consumer stops reading ahead when it is closed', async () => {
  const clock = new FakeClock()
  const gate = await gated()
  const producer = await attachProducer(gate.device, { clock })
  for (let item = 0; item < 6; item++) await append(producer, LARGE)
  await producer.close()
  const consumer = await Consumer.attach(gate.device, { clock })
  gate.holdReads()
  for (let items = 0; items < 6 && !gate.isHeld; items++) {
    let isPopped = false
    const popped = consumer.popMany({ from: consumer.position, maxItems: items + 1 }).then(() => {
      isPopped = true
    })
    while (!isPopped) {
      await clock.settle()
      if (!isPopped) gate.releaseOne()
    }
    await popped
  }
  // Nobody waits for it.
  expect(gate.isHeld).toBe(true)
  await consumer.close()
  const before = gate.sent.length
  gate.release()
  await gate.device.disconnect()
  expect(gate.sent.slice(before)).toEqual([])
})

/** Equal where everything on the device is. */
async function everySector(device: BlockDevice): Promise<number> {
  const { sectorSize, sizeSectors } = await device.getInfo()
  const bytes = new Uint8Array(sectorSize * sizeSectors)
  await device.read(0, [bytes])
  return crc32c(bytes)
}
