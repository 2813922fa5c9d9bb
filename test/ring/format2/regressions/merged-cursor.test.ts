// A cursor within epochs that are merged is no contradiction: `seqOf` knows all epochs, and so must `epochAt`.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { FakeClock } from '../../../helpers/fake-clock.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const clock = new FakeClock()

test('a consumer continues within epochs that are merged meanwhile', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device, { blockSize: 512 })
  const consumer = await Consumer.attach(device, { clock })
  const expected: string[] = []
  const got: string[] = []
  for (let epoch = 0; epoch < 24; epoch++) {
    const producer = await attachProducer(device, { clock })
    const items = [`${epoch}a`, `${epoch}b`, `${epoch}c`]
    await producer.append(items.map((item) => Buffer.from(item)))
    expected.push(...items)
    await producer.close()
    const popped = await consumer.pop()
    if (popped.status !== 'item') throw new Error('pop')
    got.push(Buffer.from(popped.item).toString())
    await consumer.advance(popped.position)
    await clock.advance(120)
  }
  got.push(...(await consumer.popMany()).map(({ item }) => Buffer.from(item).toString()))
  expect(got).toEqual(expected)
})
