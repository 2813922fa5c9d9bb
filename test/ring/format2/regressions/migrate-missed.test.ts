import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { migrateRing } from '../../../../src/ring/maintenance/migrate.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('a migration that was cut short does not move items twice, if the old ring had overwritten some', async () => {
  const from = new MemoryBlockDevice({ sizeSectors: 4000 })
  const to = new MemoryBlockDevice({ sizeSectors: 40000 })
  await Producer.create(from, { onFull: 'overwrite', blockSize: 512 })
  await Producer.create(to, { blockSize: 512 })
  const producer = await attachProducer(from)
  for (let i = 0; i < 5000; i++) await producer.append([Buffer.from(`a${i}`)])
  await producer.close()
  const controller = new AbortController()
  const first = await migrateRing(from, to, {
    signal: controller.signal,
    onProgress: () => controller.abort(new Error('cut short')),
  }).catch((error: Error) => error.message)
  expect(first).toBe('cut short')
  await migrateRing(from, to)
  const consumer = await Consumer.attach(to)
  const { accumulator } = await consumer.fold<string[]>((all, item) => {
    all.push(Buffer.from(item).toString())
    return all
  }, [])
  expect(accumulator.length).toBe(new Set(accumulator).size)
})
