// With onDamage 'skip', damage at the end of what is committed cannot be acknowledged: the ring stays full for ever.
import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { RingReader } from '../../../../src/ring/queue/reader.ts'
import { FakeClock } from '../../../helpers/fake-clock.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const clock = new FakeClock()
const idle = (): Promise<void> => clock.advance(150)

async function damagedRing() {
  const device = new MemoryBlockDevice({ sizeSectors: 112 }) // 16 blocks of data from sector 88 on
  await Producer.create(device, { blockSize: 512 })
  const producer = await attachProducer(device, { clock })
  expect((await producer.append([new Uint8Array(6000).fill(1)])).status).toBe('ok')
  await idle() // the producer writes down where it is
  await device.write(88 + 5, [new Uint8Array(512)])
  return { device, producer }
}

test('a consumer that skips damage makes room', async () => {
  const { device, producer } = await damagedRing()
  const consumer = await Consumer.attach(device, { clock, onDamage: 'skip' })
  for (let i = 0; i < 3; i++) {
    await consumer.popMany()
    await consumer.advance(consumer.position)
    await idle()
  }
  expect((await producer.append([new Uint8Array(3000)])).status).toBe('ok')
})

test('a reader that skips damage makes room', async () => {
  const { device, producer } = await damagedRing()
  await using reader = await RingReader.open(device, { clock, onDamage: 'skip' })
  for (let i = 0; i < 3; i++) {
    expect(await reader.tryReceive()).toBe(undefined)
    await reader.ackThrough(reader.position)
    await idle()
  }
  expect((await producer.append([new Uint8Array(3000)])).status).toBe('ok')
})
