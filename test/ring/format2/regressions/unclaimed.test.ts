// On a device that cannot keep a second handle away, an old producer overwrites what a new one has acknowledged.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('a producer whose role was taken finds out before it writes', async () => {
  const device = new HookedDevice(new MemoryBlockDevice({ sizeSectors: 112 }), { claims: false })
  await Producer.create(device, { blockSize: 512 })
  const old = await attachProducer(device)
  await old.append([Buffer.from('a')])
  const fresh = await attachProducer(device)
  expect((await fresh.append([Buffer.from('b')])).status).toBe('ok')
  await old.append([Buffer.from('x')]).catch(() => undefined)
  const consumer = await Consumer.attach(device)
  const popped = await consumer.popMany()
  expect(popped.map(({ item }) => Buffer.from(item).toString())).toEqual(['a', 'b'])
})
