import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../src/block/nbd/index.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { PopResult } from '../../src/ring/types.ts'
import { CachingNbd, TYPE } from '../helpers/caching-nbd.ts'
import { ALL_FLAGS } from '../helpers/fake-nbd.ts'
import { append, attachProducer } from '../helpers/ring.ts'

const WITHOUT_FUA = ALL_FLAGS & ~0x08
let exports = 0

/** No look is too old. */
const ONE_LOOK = { refreshIntervalMs: Number.MAX_VALUE }
const LOST = expect.objectContaining({ code: 'BLOCK_LOST' })

/** A ring of format 1 on a server with a cache, and a way to connect to it. */
async function ringOn(size?: number): Promise<{
  server: CachingNbd
  connect(): Promise<NbdBlockDevice>
}> {
  const server = new CachingNbd({ flags: WITHOUT_FUA, ...(size !== undefined && { size }) })
  // Claims are of a name.
  const uri = `nbd://memory/lost-cache-${++exports}`
  const connect = (): Promise<NbdBlockDevice> => NbdBlockDevice.open(uri, { dial: server.dial })
  const device = await connect()
  await Producer.create(device, { format: 1 })
  await device.disconnect()
  return { server, connect }
}

/** Has the flushes of the newest connection wait for ever, and answers when the first has come. */
function holdFlushes(server: CachingNbd): Promise<void> {
  const held = server.connections
  return new Promise((resolve) => {
    server.onRequest = ({ request, connection }) => {
      if (request.type !== TYPE.flush || connection !== held) return undefined
      resolve()
      return new Promise(() => undefined)
    }
  })
}

function itemOf(popped: PopResult): string {
  if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
  return Buffer.from(popped.item).toString()
}

/** A consumer, and a producer's item whose pointer is in the server's cache, and that no flush has covered. */
async function seenInCache(options: { readonly refreshIntervalMs: number }): Promise<{
  server: CachingNbd
  connect(): Promise<NbdBlockDevice>
  consumer: Consumer
  /** The producer is told, and gone. */
  ended(): Promise<void>
}> {
  const { server, connect } = await ringOn()
  const consumer = await Consumer.attach(await connect(), options)
  const producer = await attachProducer(await connect())
  const pushed = await producer.push(Buffer.from('one'))
  if (pushed.status !== 'ok') throw new Error(`push answered ${pushed.status}`)
  const cached = holdFlushes(server)
  const advanced = expect(producer.advance(pushed.position)).rejects.toEqual(LOST)
  await cached
  const ended = async (): Promise<void> => {
    await advanced
    await producer.close()
  }
  return { server, connect, consumer, ended }
}

/** Expects that a producer and a consumer can work on. */
async function expectSound(connect: () => Promise<NbdBlockDevice>): Promise<void> {
  const [producer, consumer] = [
    await attachProducer(await connect()),
    await Consumer.attach(await connect()),
  ]
  await append(producer, Buffer.from('more'))
  const popped = await consumer.pop()
  expect(itemOf(popped)).toBe('more')
  if (popped.status === 'item') await consumer.advance(popped.position)
  expect((await inspectRing(await connect())).usedBytes).toBe(0)
  await Promise.all([producer.close(), consumer.close()])
}

test('a consumer whose flush is lost acknowledges nothing, because the server may have lost what it saw of the producer', async () => {
  const { server, connect, consumer, ended } = await seenInCache(ONE_LOOK)
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
  server.onRequest = ({ request }) => {
    if (request.type === TYPE.flush) server.crash()
  }
  // This client itself has changed nothing that is not flushed: a flush sent again would succeed.
  await expect(consumer.advance(popped.position)).rejects.toEqual(LOST)
  server.onRequest = () => undefined
  await ended()
  await consumer.close()
  const state = await inspectRing(await connect())
  expect([state.producer.position, state.consumer.position]).toEqual([0n, 0n])
  await expectSound(connect)
})

test('a consumer that flushes only after the server lost its cache acknowledges nothing', async () => {
  const { server, connect, consumer, ended } = await seenInCache(ONE_LOOK)
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
  server.onRequest = () => undefined
  server.crash()
  await ended()
  await expect(consumer.advance(popped.position)).rejects.toEqual(LOST)
  await expect(consumer.pop()).rejects.toMatchObject({ code: 'RING_POISONED' })
  await consumer.close()
  await expectSound(connect)
})

test.each([
  ['looks before', 0],
  ['does not look before', Number.MAX_VALUE],
])(
  'a consumer that %s acknowledges nothing if another producer has written another item there',
  async (_, refreshIntervalMs) => {
    const { server, connect, consumer, ended } = await seenInCache({ refreshIntervalMs })
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
    server.onRequest = () => undefined
    server.crash()
    await ended()
    const producer = await attachProducer(await connect())
    await append(producer, Buffer.from('two'))
    await expect(consumer.advance(popped.position)).rejects.toEqual(LOST)
    await consumer.close()
    const after = await Consumer.attach(await connect())
    const again = await after.pop()
    expect(itemOf(again)).toBe('two')
    if (again.status === 'item') await after.advance(again.position)
    await Promise.all([after.close(), producer.close()])
    await expectSound(connect)
  },
)

test('a consumer that has popped nothing of what was lost continues, and pops what is written in its place', async () => {
  const { server, connect, consumer, ended } = await seenInCache(ONE_LOOK)
  expect(await consumer.debugInfo()).toMatchObject({ 'producer/offset': '8' })
  server.onRequest = () => undefined
  server.crash()
  await ended()
  expect(await consumer.debugInfo()).toMatchObject({ 'producer/offset': '0' })
  const producer = await attachProducer(await connect())
  await append(producer, Buffer.from('two'))
  const popped = await consumer.pop()
  expect(itemOf(popped)).toBe('two')
  if (popped.status === 'item') await consumer.advance(popped.position)
  await Promise.all([consumer.close(), producer.close()])
  await expectSound(connect)
})

test('a consumer that depends on nothing that was lost continues after the server restarts', async () => {
  const { server, connect } = await ringOn()
  const [producer, consumer] = [
    await attachProducer(await connect(), ONE_LOOK),
    await Consumer.attach(await connect(), ONE_LOOK),
  ]
  for (const item of ['one', 'two', 'three']) {
    await append(producer, Buffer.from(item))
    server.crash()
    const popped = await consumer.pop()
    expect(itemOf(popped)).toBe(item)
    if (popped.status === 'item') await consumer.advance(popped.position)
    server.crash()
    expect(await consumer.pop()).toEqual({ status: 'retry' })
  }
  await Promise.all([producer.close(), consumer.close()])
})

test('a producer does not use space again that a consumer acknowledged in a cache that is lost', async () => {
  // Room for one item.
  const { server, connect } = await ringOn(4 * 512)
  const producer = await attachProducer(await connect(), ONE_LOOK)
  await append(producer, Buffer.alloc(300, 1))
  const consumer = await Consumer.attach(await connect())
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
  // The second flush is that of the pointer.
  let flushes = 0
  const cached = new Promise<void>((resolve) => {
    const held = server.connections
    server.onRequest = ({ request, connection }) => {
      if (request.type !== TYPE.flush || connection !== held || ++flushes < 2) return undefined
      resolve()
      return new Promise(() => undefined)
    }
  })
  const advanced = expect(consumer.advance(popped.position)).rejects.toEqual(LOST)
  await cached
  expect(await producer.debugInfo()).toMatchObject({ 'consumer/offset': '304' })
  server.onRequest = () => undefined
  server.crash()
  await advanced
  await consumer.close()
  await expect(producer.push(Buffer.alloc(300, 2))).rejects.toEqual(LOST)
  await producer.close()
  const after = await Consumer.attach(await connect())
  expect(await after.pop()).toEqual(popped)
  await after.close()
})
