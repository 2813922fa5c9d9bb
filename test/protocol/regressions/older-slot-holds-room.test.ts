import { expect, test } from 'vitest'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { attachProducer } from '../../helpers/ring.ts'
import { GatedDevice, ReplayDisk } from '../disk.ts'

// Found by the explorer: the older slot keeps space from being used, and the drained ring refused a large item from
// then on.
test('after a consumer that died before it was idle, its successor frees the space', async () => {
  const disk = new ReplayDisk(4096, 28)
  await Producer.create(new GatedDevice(disk, true), { format: 2, blockSize: 4096 })
  const producer = await attachProducer(new GatedDevice(disk, true), { refreshIntervalMs: 0 })
  const attachConsumer = async (clock: FakeClock): Promise<Consumer> =>
    Consumer.attach(new GatedDevice(disk, true), { clock, refreshIntervalMs: 0 })

  const firstClock = new FakeClock()
  const first = await attachConsumer(firstClock)
  await firstClock.advance(1000)
  for (const byte of [1, 2, 3, 4]) await producer.append([new Uint8Array(100).fill(byte)])
  const last = (await first.popMany()).at(-1)
  if (last === undefined) throw new Error('four items wait')
  await first.advance(last.position)

  // The first consumer dies here: its clock stands still from now on.
  const clock = new FakeClock()
  const second = await attachConsumer(clock)
  expect(await second.pop()).toEqual({ status: 'retry' })
  await clock.advance(1000)
  const largest = new Uint8Array(producer.maxItemBytes)
  expect(await producer.append([largest])).toMatchObject({ status: 'ok' })
})
