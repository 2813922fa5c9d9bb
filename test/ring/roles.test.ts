import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { BlockError } from '../../src/errors.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { repairRing } from '../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { collect } from '../helpers/collect.ts'
import { deviceBytes, hex } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, ringDevice } from '../helpers/ring.ts'

/** Looks so rarely that a test never sees it happen by itself. */
const RARELY = { refreshIntervalMs: 1e9 }

describe('what a push costs', () => {
  test('several pushes before one advance are each durable, and become visible together', async () => {
    const device = await ringDevice()
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    const first = await producer.push(Buffer.from('one'))
    const second = await producer.push(Buffer.from('two'))
    expect(first).toEqual({ status: 'ok', position: 8n })
    expect(second).toEqual({ status: 'ok', position: 16n })
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    await producer.advance(16n as Position)
    const popped = await consumer.popMany()
    expect(popped.map(({ item }) => Buffer.from(item).toString())).toEqual(['one', 'two'])
  })

  test('an item and its pointer are one durable write each, and nothing is read', async () => {
    const device = new HookedDevice(await ringDevice(64))
    const producer = await attachProducer(device, RARELY)
    for (const size of [100, 4096, 0, 509]) {
      device.take()
      await append(producer, new Uint8Array(size))
      const requests = device.take()
      expect(requests.map(({ operation }) => operation)).toEqual(['write', 'write'])
      expect(requests.every(({ durable }) => durable)).toBe(true)
      expect(requests[1]).toMatchObject({ sector: 1, bytes: 512 })
    }
  })

  test('many items are one write, or two with a flush where the ring wraps', async () => {
    const device = new HookedDevice(await ringDevice(16))
    const producer = await attachProducer(device, RARELY)
    const consumer = await Consumer.attach(device, RARELY)
    const items = Array.from({ length: 40 }, () => new Uint8Array(100))
    device.take()
    const pushed = await producer.pushMany(items)
    if (pushed.status !== 'ok') throw new Error(pushed.status)
    expect(device.take()).toEqual([{ operation: 'write', sector: 3, bytes: 4608, durable: true }])
    const end = pushed.positions.at(-1) as Position
    await producer.advance(end)
    await consumer.popMany()
    await consumer.advance(end)
    await producer.state()
    device.take()
    expect(await producer.pushMany(items)).toMatchObject({ status: 'ok' })
    expect(device.take().map(({ operation, sector }) => [operation, sector])).toEqual([
      // The space was freed just now: that has to be durable before it is overwritten.
      ['flush', 0],
      ['write', 11],
      ['write', 3],
      ['flush', 0],
    ])
  })

  test('many extents are all on stable storage in the end, also where one of them wraps', async () => {
    const device = new HookedDevice(await ringDevice(6144))
    const producer = await attachProducer(device, RARELY)
    const consumer = await Consumer.attach(device, RARELY)
    const items = (count: number): Uint8Array[] =>
      Array.from({ length: count }, () => new Uint8Array(100 << 10))
    const first = await producer.pushMany(items(18))
    if (first.status !== 'ok') throw new Error(first.status)
    const end = first.positions.at(-1) as Position
    await producer.advance(end)
    await consumer.popMany()
    await consumer.advance(end)
    await producer.state()
    device.take()
    expect(await producer.pushMany(items(24))).toMatchObject({ status: 'ok' })
    const requests = device.take()
    const lastFlush = requests.map(({ operation }) => operation).lastIndexOf('flush')
    const writes = requests.filter(({ operation }) => operation === 'write')
    expect(writes.length).toBeGreaterThan(3)
    expect(writes.some(({ sector }) => sector === 3)).toBe(true)
    expect(requests.slice(lastFlush + 1).every(({ durable }) => durable)).toBe(true)
  })

  test('the tail sector is rewritten with the bytes that it has', async () => {
    const device = await ringDevice()
    await append(await attachProducer(device), Buffer.from('committed'))
    const before = await deviceBytes(device)
    const memory = await MemoryBlockDevice.from(before)
    const again = new HookedDevice(memory)
    const producer = await attachProducer(again)
    await producer.push(Buffer.from('next'))
    const [write] = again.take().filter(({ operation }) => operation === 'write')
    expect(write).toMatchObject({ sector: 3, bytes: 512 })
    const after = await deviceBytes(memory)
    expect(hex(after.subarray(1536, 1552))).toBe(hex(before.subarray(1536, 1552)))
  })

  test('a suspend request is noticed within the refresh interval', async () => {
    const device = new HookedDevice(await ringDevice())
    let now = 0
    const clock = { now: () => now, time: () => 0, sleep: () => Promise.resolve() }
    const producer = await attachProducer(device, { clock, refreshIntervalMs: 10 })
    const consumer = await Consumer.attach(device)
    await consumer.suspend()
    expect(await producer.push(new Uint8Array(1))).toMatchObject({ status: 'ok' })
    now = 10
    expect(await producer.push(new Uint8Array(1))).toEqual({ status: 'suspended' })
    expect(await consumer.state()).toBe('suspended')
  })
})

test('rings on other devices do not wait for one that hangs', async () => {
  const stuck = new HookedDevice(await ringDevice())
  const producer = await attachProducer(stuck)
  const other = await attachProducer(await ringDevice())
  let release = (): void => undefined
  const hang = new Promise<void>((resolve) => {
    release = resolve
  })
  stuck.before = ({ operation }) => (operation === 'write' ? hang : undefined)
  const pushing = producer.push(new Uint8Array(1))
  await append(other, new Uint8Array(1))
  release()
  expect(await pushing).toMatchObject({ status: 'ok' })
})

describe('one role, two handles', () => {
  test('a second one is refused with the name of the first, until that lets go', async () => {
    const device = await ringDevice()
    const producer = await attachProducer(device, { queue: 'jobs', client: 'first' })
    const consumer = await Consumer.attach(device, { client: 'reader' })
    await expect(Producer.attach(device)).rejects.toMatchObject({
      code: 'BLOCK_CLAIMED',
      details: { holder: 'client "first" of queue "jobs"' },
    })
    await expect(Consumer.attach(device)).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
    await producer.close()
    await consumer.close()
    await attachProducer(device)
    await Consumer.attach(device)
  })

  test('the role is released when attaching fails, or finds the ring suspended', async () => {
    const blank = new MemoryBlockDevice({ sizeSectors: 16 })
    await expect(Producer.attach(blank)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
    await Producer.create(blank, { format: 1 })
    const consumer = await Consumer.attach(blank)
    await consumer.suspend()
    expect(await Producer.attach(blank)).toEqual({ status: 'suspended' })
    expect(await Producer.attach(blank)).toEqual({ status: 'suspended' })
    expect(await consumer.state()).toBe('suspended')
  })

  test('a second handle cannot bring back an old pointer, even if nothing excludes it', async () => {
    const inner = await ringDevice()
    const device = new HookedDevice(inner, { claims: false })
    const [producer, rival] = [await attachProducer(device), await attachProducer(device)]
    const [consumer, stale] = [await Consumer.attach(device), await Consumer.attach(device)]
    const rivals = await rival.push(Buffer.from('rival'))
    if (rivals.status !== 'ok') throw new Error(rivals.status)
    await append(producer, Buffer.from('one'))
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    expect((await stale.pop()).status).toBe('item')
    await consumer.advance(popped.position)

    const before = hex(await deviceBytes(inner))
    await expect(rival.advance(rivals.position)).rejects.toMatchObject({
      code: 'RING_ROLE_CONFLICT',
      details: { sector: 1, field: 'producer' },
    })
    await expect(stale.suspend()).rejects.toMatchObject({
      code: 'RING_ROLE_CONFLICT',
      details: { sector: 2, field: 'consumer' },
    })
    await expect(stale.advance(popped.position)).rejects.toMatchObject({ code: 'RING_POISONED' })
    expect(hex(await deviceBytes(inner))).toBe(before)
  })
})

describe('pointer sectors that are read while they are written', () => {
  /** The device with a producer at 1000 and a consumer at 0, whose producer sector reads torn n times. */
  async function torn(times: number, tear: (sector: Uint8Array) => void): Promise<HookedDevice> {
    const device = new HookedDevice(await ringDevice(), { claims: false })
    const producer = await attachProducer(device, { queue: 'q', client: 'c' })
    const consumer = await Consumer.attach(device)
    await append(producer, new Uint8Array(996))
    await consumer.resume()
    let left = times
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector === 1 && buffer !== undefined && left-- > 0) tear(buffer)
    }
    device.take()
    return device
  }

  test('an offset that its text does not confirm is read again', async () => {
    const device = await torn(1, (sector) => sector.fill(0, 0, 4))
    expect((await inspectRing(device)).producer.position).toBe(1000n)
  })

  test('a bool that is torn is read again', async () => {
    // Not the same twice, which would be at rest; 1 is a bool, which the text does not confirm.
    const bytes = [75, 1, 0]
    const device = await torn(bytes.length, (sector) => {
      sector[8] = bytes.shift() ?? 0
    })
    expect((await inspectRing(device)).producer).toMatchObject({
      position: 1000n,
      suspendAck: false,
    })
  })

  test('a contradiction that stays is damage', async () => {
    const device = await torn(1e9, (sector) => {
      sector[0] = 4
    })
    await expect(inspectRing(device)).rejects.toMatchObject({
      code: 'RING_CORRUPT',
      details: {
        sector: 1,
        field: 'text',
        found: '"q used by c; producer = 1000; suspend_ack = false"',
      },
    })
  })

  test('a pointer sector that keeps changing is an error', async () => {
    let n = 0
    const device = await torn(1e9, (sector) => {
      sector[0] = 4 * (n++ % 50)
    })
    await expect(inspectRing(device)).rejects.toMatchObject({ code: 'RING_UNSTABLE' })
    expect(device.take().length).toBeLessThan(100)
  })

  test('a sector without a text is not confirmed by the other one', async () => {
    const device = new HookedDevice(await ringDevice(), { claims: false })
    await append(await attachProducer(device), new Uint8Array(996))
    let torn = true
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector !== 1 || !torn || buffer === undefined) return
      buffer[512] = 8
      torn = false
    }
    expect((await inspectRing(device)).consumer.position).toBe(0n)
  })

  test('two reads have to agree if no text confirms them', async () => {
    const device = new HookedDevice(await ringDevice(), { claims: false })
    const long = { queue: 'q'.repeat(500), client: 'c' }
    await append(await attachProducer(device, long), new Uint8Array(996))
    let torn = true
    device.afterRead = ({ sector }, [buffer]) => {
      if (sector !== 1 || !torn) return
      buffer?.fill(0, 0, 1)
      torn = false
    }
    expect((await inspectRing(device)).producer.position).toBe(1000n)
  })
})

describe('a device that fails', () => {
  const failing = (operation: string) => (request: { operation: string }) => {
    if (request.operation !== operation) return
    throw new BlockError('BLOCK_IO', 'injected', { device: 'memory' })
  }

  test.each(['push', 'advance'] as const)(
    'ends the handle when a write of %s fails',
    async (call) => {
      const device = new HookedDevice(await ringDevice())
      const producer = await attachProducer(device)
      await append(producer, Buffer.from('kept'))
      const pushed = await producer.push(Buffer.from('unknown'))
      if (pushed.status !== 'ok') throw new Error(pushed.status)
      device.before = failing('write')
      const failed =
        call === 'push' ? producer.push(new Uint8Array(1)) : producer.advance(pushed.position)
      await expect(failed).rejects.toMatchObject({ code: 'BLOCK_IO' })
      device.before = () => undefined
      await expect(producer.state()).rejects.toMatchObject({
        code: 'RING_POISONED',
        cause: { code: 'BLOCK_IO' },
      })
      await producer.close()
      const again = await attachProducer(device)
      await append(again, Buffer.from('next'))
      const items = await collect((await inspectRing(device)).items())
      expect(items.map(({ item }) => Buffer.from(item).toString())).toEqual(['kept', 'next'])
    },
  )

  test('ends the consumer when the flush before its pointer fails', async () => {
    const device = new HookedDevice(await ringDevice())
    await append(await attachProducer(device), Buffer.from('kept'))
    const consumer = await Consumer.attach(device)
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    device.before = failing('flush')
    await expect(consumer.advance(popped.position)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    device.before = () => undefined
    await expect(consumer.pop()).rejects.toMatchObject({ code: 'RING_POISONED' })
    await consumer.close()
    expect((await (await Consumer.attach(device)).pop()).status).toBe('item')
  })

  test('forgets a push for which the sector behind its end could not be read', async () => {
    const device = new HookedDevice(await ringDevice(8))
    const producer = await attachProducer(device, RARELY)
    const consumer = await Consumer.attach(device, RARELY)
    for (let n = 0; n < 5; n++) await append(producer, new Uint8Array(500).fill(n))
    const first = await consumer.pop()
    if (first.status !== 'item') throw new Error(first.status)
    await consumer.advance(first.position)
    // The next item ends in the sector that holds the oldest one, which has to be read to be kept.
    const item = new Uint8Array(450).fill(9)
    device.before = (request) => {
      if (request.operation === 'read' && request.sector >= 3) failing('read')(request)
    }
    await expect(producer.push(item)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    device.before = () => undefined
    expect(producer.position).toBe(2520n)
    await append(producer, item)
    const items = await collect((await inspectRing(device)).items())
    expect(items.map((popped) => popped.item[0])).toEqual([1, 2, 3, 4, 9])
  })

  test('ends the producer when the flush before used space is used again fails', async () => {
    const device = new HookedDevice(await ringDevice(4))
    const producer = await attachProducer(device, RARELY)
    const consumer = await Consumer.attach(device, RARELY)
    await append(producer, new Uint8Array(500))
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    await consumer.advance(popped.position)
    device.before = failing('flush')
    await expect(producer.push(new Uint8Array(100))).rejects.toMatchObject({ code: 'BLOCK_IO' })
    device.before = () => undefined
    await expect(producer.state()).rejects.toMatchObject({ code: 'RING_POISONED' })
  })

  test('that loses what the other side wrote is detected', async () => {
    const memory = await ringDevice()
    const fresh = (await deviceBytes(memory)).slice(1024, 1536)
    const producer = await attachProducer(memory, RARELY)
    const consumer = await Consumer.attach(memory)
    await append(producer, new Uint8Array(8))
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    await consumer.advance(popped.position)
    await producer.state()
    await memory.write(2, [fresh])
    await expect(producer.state()).rejects.toMatchObject({
      code: 'RING_CORRUPT',
      details: { sector: 2, field: 'consumer', found: '0' },
    })
  })

  test('continues after a read that failed', async () => {
    const device = new HookedDevice(await ringDevice())
    await append(await attachProducer(device), Buffer.from('kept'))
    const consumer = await Consumer.attach(device)
    device.before = failing('read')
    await expect(consumer.pop()).rejects.toMatchObject({ code: 'BLOCK_IO' })
    device.before = () => undefined
    expect((await consumer.pop()).status).toBe('item')
  })

  test('that is read-only refuses a producer, and lets a consumer read', async () => {
    const ring = await ringDevice()
    await append(await attachProducer(ring), Buffer.from('kept'))
    const device = await MemoryBlockDevice.from(await deviceBytes(ring), { mode: 'read-only' })
    await expect(Producer.attach(device)).rejects.toMatchObject({ code: 'BLOCK_READ_ONLY' })
    const consumer = await Consumer.attach(device)
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    for (let tries = 0; tries < 2; tries++) {
      await expect(consumer.advance(popped.position)).rejects.toMatchObject({
        code: 'BLOCK_READ_ONLY',
      })
    }
    expect(await consumer.pop()).toEqual(popped)
  })
})

describe('misuse', () => {
  test('is told before anything is written', async () => {
    const device = new HookedDevice(await ringDevice())
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    await append(producer, new Uint8Array(8))
    device.take()
    await expect(producer.push('text' as unknown as Uint8Array)).rejects.toThrow(TypeError)
    await expect(producer.push(new Uint8Array(13 * 512))).rejects.toThrow(
      'The ring is too small for a message of size 6660 bytes',
    )
    await expect(producer.advance(4n as Position)).resolves.toBeUndefined()
    await expect(producer.advance(16n as Position)).rejects.toThrow(RangeError)
    await expect(consumer.advance(16n as Position)).rejects.toThrow(RangeError)
    await expect(consumer.pop(16n as Position)).rejects.toThrow(RangeError)
    await expect(consumer.pop(2n as Position)).rejects.toThrow(RangeError)
    await expect(consumer.popMany({ maxItems: 0 })).rejects.toThrow(RangeError)
    expect(device.take().filter(({ operation }) => operation === 'write')).toEqual([])
  })

  test('advancing to a position inside an item is an error', async () => {
    const producer = await attachProducer(await ringDevice())
    await producer.push(new Uint8Array(100))
    await producer.push(new Uint8Array(100))
    await expect(producer.advance(52n as Position)).rejects.toThrow(RangeError)
    await producer.advance(104n as Position)
    expect(producer.position).toBe(208n)
  })

  test('a closed handle refuses every call, and closing again does nothing', async () => {
    const device = await ringDevice()
    const producer = await attachProducer(device)
    await producer.close()
    await producer.close()
    await expect(producer.push(new Uint8Array(1))).rejects.toThrow(
      `The handle of ${device.name} was closed`,
    )
    await expect(device.getInfo()).resolves.toBeDefined()
  })
})

test.each([512, 4096])(
  'names of any length and bytes are written as text, at sector size %i',
  async (size) => {
    const device = await ringDevice(8, size)
    const queue = 'Schlange \u{1f40d} '.repeat(20)
    await append(await attachProducer(device, { queue, client: 'c' }), new Uint8Array(1))
    const text = Buffer.from(`${queue} used by c; producer = 8; suspend_ack = false`)
    const bytes = Buffer.from(await deviceBytes(device))
    const area = bytes.subarray(size + 128, size + 512)
    expect(area.subarray(0, Math.min(text.length, 384))).toEqual(text.subarray(0, 384))
    expect((await inspectRing(device)).producer.position).toBe(8n)
  },
)

test.each([
  [512, 4096],
  [4096, 512],
])('a ring of %i-byte sectors opened with %i is an error that says so', async (made, opened) => {
  const ring = await ringDevice(16, made)
  const names = { queue: 'q', client: 'c' }
  for (const state of ['fresh', 'used']) {
    if (state === 'used') await append(await attachProducer(ring, names), new Uint8Array(5))
    const device = await MemoryBlockDevice.from(await deviceBytes(ring), { sectorSize: opened })
    await expect(inspectRing(device)).rejects.toMatchObject({
      code: 'RING_SECTOR_SIZE',
      details: { expected: String(made), found: String(opened) },
    })
  }
})

test('a ring of format 2 whose blocks are smaller than the sectors is sound, and reported as such', async () => {
  const ring = new MemoryBlockDevice({ sizeSectors: 256 })
  await Producer.create(ring, { format: 2, blockSize: 512 })
  const device = await MemoryBlockDevice.from(await deviceBytes(ring), { sectorSize: 4096 })
  for (const use of [inspectRing, Producer.attach, Consumer.attach, verifyRing, repairRing]) {
    await expect(use(device)).rejects.toMatchObject({
      code: 'RING_SECTOR_SIZE',
      details: { expected: '512', found: '4096' },
    })
  }
})

test('a live ring is inspected without taking what is overwritten meanwhile for damage', async () => {
  const device = new HookedDevice(await ringDevice(8))
  const producer = await attachProducer(device)
  const consumer = await Consumer.attach(device)
  for (let n = 0; n < 4; n++) await append(producer, new Uint8Array(500).fill(n))
  const ring = await inspectRing(device)
  // While its items are read, all are acknowledged and overwritten with what is no record.
  let interfered = false
  device.before = async ({ operation, sector }) => {
    if (interfered || operation !== 'read' || sector < 3) return
    interfered = true
    const popped = await consumer.popMany()
    await consumer.advance(popped.at(-1)?.position as Position)
    await append(producer, new Uint8Array(2400).fill(255))
  }
  expect(await collect(ring.items())).toEqual([])
  expect(interfered).toBe(true)
})
