// A position that a consumer was given before the storage lost its cache means other items once epochs are merged.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { FakeClock } from '../../../helpers/fake-clock.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const SECTORS = 512
const clock = new FakeClock()
const idle = (): Promise<void> => clock.advance(150)

test('an old position acknowledges nothing that came later', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: SECTORS })
  await Producer.create(device, { blockSize: 512 })
  let producer = await attachProducer(device, { clock })
  await producer.append([Buffer.from('a')])
  const consumer = await Consumer.attach(device, { clock })
  await consumer.popMany()
  await consumer.close()
  const reader = await Consumer.attach(device, { clock })
  await idle()
  // What comes now is only in a cache; the consumer sees it, and the power of the storage fails.
  const image = new Uint8Array(SECTORS * 512)
  await device.read(0, [image])
  await producer.append([Buffer.from('lost1'), Buffer.from('lost2')])
  const seen = await reader.popMany()
  expect(seen.map(({ item }) => Buffer.from(item).toString())).toEqual(['a', 'lost1', 'lost2'])
  const stale = seen[2]?.position
  await producer.close()
  await device.write(0, [image])
  const expected: string[] = ['a']
  for (let epoch = 0; epoch < 9; epoch++) {
    producer = await attachProducer(device, { clock })
    await producer.append([Buffer.from(`e${epoch}`)])
    expected.push(`e${epoch}`)
    await producer.close()
    await reader.state()
    await idle()
  }
  if (stale === undefined) throw new Error()
  await reader.popMany() // as a reader does that reads ahead
  await reader.advance(stale) // 'a' at most may be acknowledged: the others that were popped do not exist any more
  const left = (await reader.popMany()).map(({ item }) => Buffer.from(item).toString())
  expect(left).toEqual(expected.slice(1))
})
