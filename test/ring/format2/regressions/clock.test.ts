import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { systemClock } from '../../../../src/clock.ts'
import { Consumer, Producer } from '../../../../src/ring/access/attach.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test.each([-1, -1.5, 2 ** 52, Number.POSITIVE_INFINITY])(
  'items pushed while the wall clock says %d are there',
  async (time) => {
    const device = new MemoryBlockDevice({ sizeSectors: 512 })
    await Producer.create(device)
    let now = 1
    const clock = { ...systemClock, time: () => now }
    const producer = await attachProducer(device, { clock })
    now = time // the clock jumps to before 1970, as a machine without a battery may
    const result = await producer.append([Buffer.from('a')])
    expect(result.status).toBe('ok')
    const consumer = await Consumer.attach(device)
    expect((await consumer.popMany()).length).toBe(1)
  },
)
