import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { BlockError, isBlockError } from '../../src/errors.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { FORMAT } from '../helpers/format.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { attachProducer, SMALL, sectorsFor, smallRing } from '../helpers/ring.ts'

/** Looks before each write, and never has to wait. */
const EAGER = { refreshIntervalMs: 0 }
const REFUSED = { code: 'BLOCK_READ_ONLY' }

/** A device that takes no writes while it is told so, or of its writes only some. */
class RefusingDevice extends HookedDevice {
  refuses: (write: number) => boolean = () => false
  writes = 0
  refused = 0

  override before = ({ operation }: { readonly operation: string }): void => {
    if (operation !== 'write' || !this.refuses(this.writes++)) return
    this.refused++
    throw new BlockError('BLOCK_READ_ONLY', `${this.name} takes no writes now`, {
      device: this.name,
    })
  }

  /** Takes no writes during an operation, which is refused. */
  async during(operation: () => Promise<unknown>): Promise<void> {
    this.refuses = () => true
    await expect(operation()).rejects.toMatchObject(REFUSED)
    this.refuses = () => false
  }
}

async function refusing(dataBytes?: number): Promise<RefusingDevice> {
  return new RefusingDevice(await smallRing(dataBytes))
}

function itemOf(number: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(number)
}

/** Does something again as long as the device refuses it, which has to leave the place of the handle alone. */
async function persist<T>(
  role: { readonly position: Position },
  operation: () => Promise<T>,
): Promise<T> {
  for (;;) {
    const { position } = role
    try {
      return await operation()
    } catch (error) {
      if (!isBlockError(error) || error.code !== 'BLOCK_READ_ONLY') throw error
      expect(role.position).toBe(position)
    }
  }
}

/** Pushes items of many sizes, around a small ring more than twice, and pops them; answers what came. */
async function session(
  device: RefusingDevice,
  refuses: (write: number) => boolean,
): Promise<{ pushed: number[]; popped: number[] }> {
  const producer = await attachProducer(device, EAGER)
  const consumer = await Consumer.attach(device, EAGER)
  const pushed: number[] = []
  const popped: number[] = []
  device.writes = 0
  device.refuses = refuses
  for (const [turn, length] of [700, 90, 1300, 2000, 8, 1700, 400, 1500, 3].entries()) {
    const items = [0, 1, 2].map((index) => itemOf(3 * turn + index + 1, length))
    for (let done = 0; done < items.length; ) {
      const rest = items.slice(done)
      const result = await persist(producer, () =>
        turn % 2 === 0 ? producer.append(rest) : producer.pushMany(rest),
      )
      if (result.status === 'suspended') throw new Error('nobody asked for that')
      if (result.status === 'ok') {
        if (turn % 2 === 1) await persist(producer, () => producer.advance(result.position))
        pushed.push(...rest.slice(0, result.pushed).map(([first]) => first ?? 0))
        done += result.pushed
      }
      for (const { item, position } of await consumer.popMany()) {
        await persist(consumer, () => consumer.advance(position))
        popped.push(item[0] ?? 0)
      }
    }
  }
  device.refuses = () => false
  await producer.close()
  await consumer.close()
  return { pushed, popped }
}

test('whichever writes are refused, calling again pushes and pops each item once', async () => {
  const all = Array.from({ length: 27 }, (_, index) => index + 1)
  for (const atOnce of [1, 3]) {
    for (let first = 0, refused = atOnce; refused === atOnce; first += atOnce) {
      const device = await refusing(16 * 512)
      const refuses = (write: number): boolean => write >= first && write < first + atOnce
      expect(await session(device, refuses), `${atOnce} from ${first} on`).toEqual({
        pushed: all,
        popped: all,
      })
      refused = device.refused
      await using next = await Consumer.attach(device)
      expect(await next.popMany()).toEqual([])
      if (refused < atOnce) expect(first).toBeGreaterThan(40)
    }
  }
})

test('a position to which advancing was refused is not acknowledged', async () => {
  const device = await refusing()
  await using producer = await attachProducer(device)
  await producer.append([itemOf(1, 10), itemOf(2, 10)])
  const consumer = await Consumer.attach(device)
  const [first] = await consumer.popMany()
  const before = consumer.position
  const { position } = first ?? consumer
  await device.during(() => consumer.advance(position))
  await device.during(() => consumer.advance(position))
  expect(consumer.position).toBe(before)
  await consumer.advance(position)
  // As if the process ended.
  const next = await Consumer.attach(new HookedDevice(device, { claims: false }))
  expect((await next.popMany()).map(({ item }) => item[0])).toEqual([2])
})

test('a suspend request whose write was refused is not there, and can be repeated', async () => {
  const device = await refusing()
  await using producer = await attachProducer(device, EAGER)
  await using consumer = await Consumer.attach(device, EAGER)
  for (const [wish, state, other] of [
    ['suspend', 'suspended', 'running'],
    ['resume', 'running', 'suspended'],
  ] as const) {
    await device.during(() => consumer[wish]())
    expect(await producer.state()).toBe(other)
    if (other === 'running') {
      await producer.append([itemOf(1, 10)])
      // Which writes where the wish would be.
      const popped = await consumer.pop()
      await consumer.advance(popped.status === 'item' ? popped.position : consumer.position)
      expect(await producer.state()).toBe(other)
    }
    expect(await consumer[wish]()).toEqual({ status: 'ok' })
    expect(await producer.state()).toBe(state)
  }
})

test('a suspend request that could not be granted is granted later, and the ring counts as running until then', async () => {
  const device = await refusing()
  await using producer = await attachProducer(device, EAGER)
  await using consumer = await Consumer.attach(device, EAGER)
  await consumer.suspend()
  await device.during(() => producer.state())
  await device.during(() => producer.append([itemOf(1, 10)]))
  expect(await consumer.state()).toBe('running')
  expect(await producer.append([itemOf(1, 10)])).toEqual({ status: 'suspended' })
  expect(await consumer.state()).toBe('suspended')
  await consumer.resume()
  await device.during(() => producer.append([itemOf(1, 10)]))
  expect(await consumer.state()).toBe('suspended')
  expect(await consumer.popMany()).toEqual([])
  expect(await producer.state()).toBe('running')
  expect(await consumer.state()).toBe('running')
})

test('what is advanced past lazily is written in time when the device takes writes again', async () => {
  const device = await refusing()
  await using producer = await attachProducer(device)
  await producer.append([itemOf(97, 1), itemOf(98, 1)])
  const clock = new FakeClock()
  const reader = await RingReader.open(device, {
    codec: text,
    clock,
    ...EAGER,
    lazyAck: { maxDelayMs: 300 },
  })
  const entry = await reader.receive()
  await entry.ack()
  device.refuses = () => true
  await expect(reader.flush()).rejects.toMatchObject(REFUSED)
  await expect(reader.flush()).rejects.toMatchObject(REFUSED)
  await clock.advance(300)
  device.refuses = () => false
  const next = async (): Promise<number | undefined> => {
    const other = await Consumer.attach(new HookedDevice(device, { claims: false }))
    return (await other.popMany())[0]?.item[0]
  }
  expect(await next()).toBe(97)
  await clock.advance(300)
  expect(await next()).toBe(98)
  await reader.flush()
  await reader.close()
})

if (FORMAT === 2) {
  test('what is pushed in several batches is answered as far as it was written', async () => {
    for (const how of ['append', 'pushMany'] as const) {
      const device = await refusing(16 * 512)
      await using producer = await attachProducer(device, EAGER)
      await using consumer = await Consumer.attach(device, EAGER)
      const start = device.writes
      device.refuses = (write) => write > start
      const items = [1, 2, 3, 4, 5, 6].map((number) => itemOf(number, 600))
      const result = await producer[how](items)
      if (result.status !== 'ok') throw new Error(result.status)
      expect(result.pushed).toBeGreaterThan(0)
      expect(result.pushed).toBeLessThan(items.length)
      const rest = items.slice(result.pushed)
      await expect(producer[how](rest)).rejects.toMatchObject(REFUSED)
      device.refuses = () => false
      await producer.append(rest)
      const popped = await consumer.popMany()
      expect(popped.map(({ item }) => item[0])).toEqual([1, 2, 3, 4, 5, 6])
    }
  })

  test('a slot that was refused while the consumer was idle is written later, and its space is free', async () => {
    const clock = new FakeClock()
    const device = await refusing(8 * 512)
    const producer = await attachProducer(device, { ...EAGER, clock })
    await using consumer = await Consumer.attach(device, { ...EAGER, clock })
    await clock.advance(100)
    await producer.append([itemOf(1, 600)])
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(popped.status)
    await consumer.advance(popped.position)
    device.refuses = () => true
    await clock.advance(100)
    expect(device.refused).toBeGreaterThan(0)
    device.refuses = () => false
    const largest = itemOf(2, producer.maxItemBytes)
    expect(await producer.append([largest])).toEqual({ status: 'retry' })
    await clock.advance(5000)
    expect(await producer.append([largest])).toMatchObject({ status: 'ok' })
    await producer.close()
  })

  test('a consumer that attached while the device took no writes acknowledges when it does', async () => {
    const memory = await smallRing()
    let readWrite = true
    class Device extends HookedDevice {
      override getInfo = async () => ({ ...(await memory.getInfo()), readWrite })
    }
    const device = new Device(memory)
    await using producer = await attachProducer(device)
    await producer.append([itemOf(1, 10), itemOf(2, 10)])
    readWrite = false
    const consumer = await Consumer.attach(device)
    const [first] = await consumer.popMany()
    readWrite = true
    await consumer.advance(first?.position ?? consumer.position)
    await consumer.close()
    await using next = await Consumer.attach(device)
    expect((await next.popMany()).map(({ item }) => item[0])).toEqual([2])
  })

  test('a push that was refused gives up nothing in a ring that overwrites', async () => {
    const clock = new FakeClock()
    const memory = new MemoryBlockDevice({ sizeSectors: sectorsFor(32 * 512) })
    await Producer.create(memory, { ...SMALL, onFull: 'overwrite' })
    const device = new RefusingDevice(memory)
    await using producer = await attachProducer(device, { ...EAGER, clock })
    for (let number = 1; number <= 32; number++) await producer.append([itemOf(number, 100)])
    await device.during(() => producer.append([itemOf(33, 100)]))
    // Its slot is written while it is idle.
    await clock.advance(1000)
    await using consumer = await Consumer.attach(device)
    const popped = await consumer.popMany()
    expect(popped.map(({ item }) => item[0])).toEqual(
      Array.from({ length: 32 }, (_, index) => index + 1),
    )
    expect(popped[0]?.missed).toBeUndefined()
  })
}
