import { expect, test } from 'vitest'
import { Consumer } from '../../../../src/ring/access/attach.ts'
import { isBad } from '../../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../../src/ring/format2/disk/disk.ts'
import { verifyRing } from '../../../../src/ring/maintenance/verify.ts'
import { pushBatches, smallRing } from '../../../helpers/damage.ts'
import { attachProducer } from '../../../helpers/ring.ts'

const item = new Uint8Array(9)

// Seed 10263 of format 2: a consumer saw an epoch in a cache, wrote that down durably, and the power took the epoch
// with it.
test('a consumer that saw an epoch which is gone writes slots that agree', async () => {
  const device = await smallRing(16)
  await pushBatches(device, [[item], [item]])
  const disk = await Disk.open(device)
  const [, newest] = (await disk.readSlots()).consumer
  if (isBad(newest)) throw new Error('no slot')
  await disk.writeConsumerSlot(1, { ...newest, generation: 9, seen: 7 })
  const consumer = await Consumer.attach(device)
  const [first] = await consumer.popMany({ maxItems: 1 })
  if (first === undefined) throw new Error('nothing to pop')
  await consumer.advance(first.position)
  expect(await verifyRing(device)).toMatchObject({ sound: true })
  await consumer.close()
  // And the next epoch is beyond the one that is gone.
  const producer = await attachProducer(device)
  await producer.append([item])
  await producer.close()
  const again = await Consumer.attach(device)
  expect(await again.popMany()).toHaveLength(2)
  await again.close()
})
