// All that is visible was acknowledged, and still there is no room for an item that fits the ring: for ever.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../../src/ring/access/inspect.ts'
import { FakeClock } from '../../../helpers/fake-clock.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const clock = new FakeClock()
const idle = (): Promise<void> => clock.advance(150)

test('uncommitted items that were dropped take no room once everything before them is acknowledged', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 112 }) // 16 blocks of data
  await Producer.create(device, { blockSize: 512 })
  const first = await attachProducer(device, { clock })
  const pushed = await first.pushMany([600, 600, 600].map((length) => new Uint8Array(length)))
  if (pushed.status !== 'ok' || pushed.positions.length !== 3) throw new Error('push')
  const consumer = await Consumer.attach(device, { clock })
  for (const position of pushed.positions.slice(0, 2)) {
    await first.advance(position)
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error('pop')
    await consumer.advance(popped.position)
  }
  await first.close() // the third item is uncommitted: it is dropped
  const second = await attachProducer(device, { clock })
  for (let i = 0; i < 3; i++) {
    expect(await consumer.pop()).toEqual({ status: 'retry' })
    await idle()
  }
  expect((await inspectRing(device)).waitingItems).toBe(0)
  const largest = new Uint8Array(second.maxItemBytes)
  expect((await second.append([largest])).status).toBe('ok')
})
