// A ring whose consumer stopped within a batch, whose other items were uncommitted and dropped, cannot be a journal any
// more.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Journal } from '../../../../src/journal/index.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('a journal starts where the rest of a batch was dropped', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device)
  const producer = await attachProducer(device)
  const pushed = await producer.pushMany([Buffer.from('a'), Buffer.from('b')])
  if (pushed.status !== 'ok' || pushed.positions[0] === undefined) throw new Error('push')
  await producer.advance(pushed.positions[0])
  const consumer = await Consumer.attach(device)
  const popped = await consumer.pop()
  if (popped.status !== 'item') throw new Error('pop')
  await consumer.advance(popped.position)
  await consumer.close()
  await producer.close()
  const performed: string[] = []
  const journal = await Journal.open(device, async (ops: readonly Uint8Array[]) => {
    performed.push(...ops.map((op) => Buffer.from(op).toString()))
  })
  const receipt = await journal.push(Buffer.from('c'))
  await receipt.done
  await journal.close()
  expect(performed).toEqual(['c'])
})
