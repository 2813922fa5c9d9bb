// inspectRing counts too few items, or does not know the age of the oldest one, when a lap passes while it reads.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../../src/ring/access/inspect.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const SECTORS = 112
const WAITING = 3

test('whenever a lap passes, all items are counted, and the oldest has an age', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
  await Producer.create(device, { blockSize: 512 })
  const producer = await attachProducer(device)
  const consumer = await Consumer.attach(device)
  const push = async (): Promise<void> => void (await producer.append([Buffer.from('item')]))
  const lap = async (): Promise<void> => {
    for (let n = 0; n < SECTORS; n++) {
      await push()
      const popped = await consumer.pop()
      if (popped.status === 'item') await consumer.advance(popped.position)
    }
  }
  for (let n = 0; n < WAITING; n++) await push()

  let reads = Number.POSITIVE_INFINITY
  for (let at = 0; at < reads; at++) {
    const hooked = new HookedDevice(device)
    let read = 0
    hooked.before = async () => {
      if (read++ === at) await lap()
    }
    const { waitingItems, stats } = await inspectRing(hooked)
    reads = read
    expect([at, waitingItems, stats?.oldestAt]).toEqual([at, WAITING, expect.any(Number)])
  }
  expect(reads).toBeGreaterThan(3)
})
