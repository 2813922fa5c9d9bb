import { expect, test } from 'vitest'
import { NbdBlockDevice } from '../../src/block/nbd/index.ts'
import { Consumer, inspectRing, Producer } from '../../src/ring/attach.ts'
import { CachingNbd, TYPE } from '../helpers/caching-nbd.ts'
import { ALL_FLAGS } from '../helpers/fake-nbd.ts'
import { attachProducer } from '../helpers/ring.ts'

const WITHOUT_FUA = ALL_FLAGS & ~0x08

test('a consumer whose flush is lost gives nothing back, because the server may have lost what it saw of the producer', async () => {
  const server = new CachingNbd({ flags: WITHOUT_FUA })
  const connect = (): Promise<NbdBlockDevice> =>
    NbdBlockDevice.connect('nbd://memory/', { dial: server.dial })
  const [forProducer, forConsumer] = [await connect(), await connect()]
  await Producer.create(forProducer, { format: 1 })
  const producer = await attachProducer(forProducer)
  const consumer = await Consumer.attach(forConsumer)
  const pushed = await producer.push(Buffer.from('one'))
  if (pushed.status !== 'ok') throw new Error(`push answered ${pushed.status}`)

  // The producer's pointer is in the server's cache, and no flush has covered it, when the consumer pops and flushes.
  const cached = new Promise<void>((resolve) => {
    server.onRequest = ({ request, connection }) => {
      if (request.type !== TYPE.flush) return undefined
      if (connection === 2) server.crash()
      if (connection !== 1) return undefined
      resolve()
      return new Promise(() => undefined)
    }
  })
  const advanced = expect(producer.advance(pushed.position)).rejects.toMatchObject({
    code: 'BLOCK_LOST',
  })
  await cached
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error(`pop answered ${popped.status}`)
  // This client itself has changed nothing that is not flushed: a flush sent again would succeed.
  await expect(consumer.advance(popped.position)).rejects.toMatchObject({ code: 'BLOCK_LOST' })
  await advanced

  server.onRequest = () => undefined
  await Promise.all([producer.detach(), consumer.detach()])
  const device = await connect()
  const state = await inspectRing(device)
  expect([state.producer.offset, state.consumer.offset]).toEqual([0n, 0n])
  await (await attachProducer(device)).detach()
})
