import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { Disk } from '../../../../src/ring/format2/disk/disk.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const BLOCK = 512

test('a producer that has used room that is not free any more, since the storage lost a cursor, has none', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 128, sectorSize: BLOCK })
  await Producer.create(device, { format: 2, blockSize: BLOCK })
  await using producer = await attachProducer(device, { refreshIntervalMs: 0 })
  const push = async (): Promise<string> => (await producer.append([new Uint8Array(400)])).status
  while ((await push()) === 'ok');
  const { layout } = await Disk.open(device)
  const [first] = layout.consumerSlots
  const before = new Uint8Array(layout.slots.offset + layout.slots.bytes - first)
  await device.read(first / BLOCK, [before])
  const consumer = await Consumer.attach(device, { refreshIntervalMs: 0 })
  const popped = await consumer.popMany({ maxItems: 4 })
  await consumer.advance(popped.at(-1)?.position ?? consumer.position)
  // Both slots carry it then.
  await consumer.close()
  expect(await push()).toBe('ok')
  await device.write(first / BLOCK, [before])
  expect(await push()).toBe('retry')
})
