// A consumer's read-ahead window survives epochs that are merged later: uncommitted items that were dropped are
// delivered, and what was acknowledged in its place is lost.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { FakeClock } from '../../../helpers/fake-clock.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const clock = new FakeClock()

const text = (item: Uint8Array): string => Buffer.from(item).toString()

test('no uncommitted item is delivered when epochs were merged between two pops', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 512 })
  await Producer.create(device, { blockSize: 512 })
  let producer = await attachProducer(device, { clock })
  for (let i = 0; i < 6; i++) await producer.append([Buffer.from(`a${i}`)])
  for (let i = 0; i < 2; i++) await producer.push(Buffer.from(`uncommitted${i}`))
  const consumer = await Consumer.attach(device, { clock })
  const got: string[] = []
  const first = await consumer.popMany({ maxItems: 4 })
  got.push(...first.map(({ item }) => text(item)))
  const expected = ['a0', 'a1', 'a2', 'a3', 'a4', 'a5']
  await producer.close()
  for (let epoch = 0; epoch < 9; epoch++) {
    producer = await attachProducer(device, { clock })
    await producer.append([Buffer.from(`e${epoch}`)])
    expected.push(`e${epoch}`)
    await producer.close()
    await consumer.state()
    await clock.advance(120) // idle: both slots tell the epoch
  }
  let from = first.at(-1)?.position
  for (;;) {
    const popped = await consumer
      .popMany({ ...(from !== undefined && { from }) })
      .catch((error: Error) => {
        got.push(`ERROR ${error.message}`)
        return []
      })
    if (popped.length === 0) break
    got.push(...popped.map(({ item }) => text(item)))
    from = popped.at(-1)?.position
  }
  expect(got).toEqual(expected)
})
