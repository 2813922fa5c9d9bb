import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../../src/ring/access/inspect.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('inspecting a ring at work never counts an impossible number of bytes', async () => {
  const inner = new MemoryBlockDevice({ sizeSectors: 112 })
  await Producer.create(inner, { blockSize: 512 })
  const producer = await attachProducer(inner)
  const consumer = await Consumer.attach(inner)
  const round = async () => {
    await producer.append([Buffer.from('x')])
    const popped = await consumer.pop()
    if (popped.status === 'item') await consumer.advance(popped.position)
  }
  for (let i = 0; i < 10; i++) await round()
  const device = new HookedDevice(inner)
  let done = false
  device.before = async ({ operation, sector }) => {
    if (operation !== 'read') return
    // Right after the read of the slots: a lap goes by.
    if (!done && sector >= 88) {
      done = true
      for (let i = 0; i < 40; i++) await round()
    }
  }
  const found = await inspectRing(device)
  expect(done).toBe(true)
  expect(found.waitingBytes).toBeLessThanOrEqual(found.capacityBytes)
})
