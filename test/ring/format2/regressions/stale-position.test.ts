// Misuse: positions of other handles.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { toPosition } from '../../../../src/ring/format2/position.ts'
import { attachProducer } from '../../../helpers/ring.ts'

async function ring() {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  return device
}

test('advancing a producer to a position whose item was dropped is refused', async () => {
  const device = await ring()
  const first = await attachProducer(device)
  await first.append([Buffer.from('a')])
  const pushed = await first.push(Buffer.from('b'))
  if (pushed.status !== 'ok') throw new Error()
  await first.close()
  const second = await attachProducer(device)
  await expect(second.advance(pushed.position)).rejects.toThrow(RangeError)
})

test('advancing a consumer to a position beyond the producer is refused', async () => {
  const device = await ring()
  const producer = await attachProducer(device)
  await producer.append([Buffer.from('a'), Buffer.from('b')])
  const consumer = await Consumer.attach(device)
  await consumer.popMany({ maxItems: 1 })
  await expect(consumer.advance(toPosition(99, 1))).rejects.toThrow(RangeError)
  expect((await consumer.popMany()).length).toBe(2)
})

test('popping from a position beyond the producer is a RangeError', async () => {
  const device = await ring()
  const producer = await attachProducer(device)
  await producer.append([Buffer.from('a'), Buffer.from('b')])
  const consumer = await Consumer.attach(device)
  await consumer.popMany({ maxItems: 1 })
  await expect(consumer.popMany({ from: toPosition(99, 1) })).rejects.toThrow(RangeError)
})
