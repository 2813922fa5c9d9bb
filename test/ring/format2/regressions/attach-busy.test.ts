import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('a producer attaches while a consumer gives a backlog back, each flush as slow as a write', async () => {
  const inner = new MemoryBlockDevice({ sizeSectors: 65536 })
  await Producer.create(inner)
  const first = await attachProducer(inner)
  for (let i = 0; i < 2000; i++) await first.append([Buffer.from(`a${i}`)])
  await first.close()
  const device = new HookedDevice(inner)
  device.before = async ({ operation, durable }) => {
    // Reads take nothing, durable writes and flushes a turn: as on a disk.
    if (operation === 'flush' || durable) await new Promise((resolve) => setTimeout(resolve, 2))
  }
  const consumer = await Consumer.attach(device)
  let stop = false
  const draining = (async () => {
    while (!stop) {
      const popped = await consumer.pop()
      if (popped.status !== 'item') break
      await consumer.advance(popped.position)
    }
  })()
  const errors: string[] = []
  for (let i = 0; i < 5; i++) {
    const got = await Producer.attach(device).catch((error: Error) => {
      errors.push(error.message)
      return undefined
    })
    if (got?.status === 'attached') await got.producer.close()
  }
  stop = true
  await draining
  expect(errors).toEqual([])
})
