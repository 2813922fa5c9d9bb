// Where epochs are merged, damage to the first batch of one of them has an uncommitted item delivered that was dropped.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('an item that was dropped is not delivered, whatever is damaged', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 200 })
  await Producer.create(device, { blockSize: 512 })
  let producer = await attachProducer(device)
  const restart = async () => {
    await producer.close()
    producer = await attachProducer(device)
  }
  await producer.append([Buffer.from('z')])
  await restart()
  const pushed = await producer.pushMany([Buffer.from('a'), Buffer.from('dropped')])
  if (pushed.status !== 'ok' || pushed.positions[0] === undefined) throw new Error('push')
  await producer.advance(pushed.positions[0])
  await restart()
  const damaged = Number(producer.logOffset / 512n)
  await producer.append([Buffer.from('b'), Buffer.from('c')])
  for (let i = 0; i < 9; i++) {
    await restart()
    await producer.append([Buffer.from(`e${i}`)])
  }
  await producer.close()
  await device.write(88 + damaged, [new Uint8Array(512)])
  const consumer = await Consumer.attach(device, { onDamage: 'skip' })
  const got: string[] = []
  for (let from = consumer.position; ; ) {
    const popped = await consumer.popMany({ from })
    const last = popped.at(-1)
    if (last === undefined) break
    got.push(...popped.map(({ item }) => Buffer.from(item).toString()))
    from = last.position
  }
  expect(got).not.toContain('dropped')
  expect(got).toEqual(['z', 'a', ...Array.from({ length: 9 }, (_, i) => `e${i}`)])
})
