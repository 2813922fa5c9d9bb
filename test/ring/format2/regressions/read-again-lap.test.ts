import { expect, test } from 'vitest'
import { RingReader } from '../../../../src/ring/queue/reader.ts'
import { BLOCK, DATA, smallRing } from '../../../helpers/damage.ts'
import { HookedDevice } from '../../../helpers/hooked.ts'
import { attachProducer } from '../../../helpers/ring.ts'

test('an item that is overwritten while it is read again is gone, not damaged', async () => {
  const device = new HookedDevice(await smallRing(64, { onFull: 'overwrite' }))
  const producer = await attachProducer(device)
  const items = [new Uint8Array(18).fill(1), new Uint8Array(3000).fill(2)]
  await producer.append(items)
  const reader = await RingReader.open(device)
  const [, large] = await reader.receiveMany({ views: true })
  if (large === undefined) throw new Error('there is an item')
  let reads = 0
  device.before = async ({ operation, sector }) => {
    if (operation !== 'read' || sector < DATA / BLOCK || ++reads !== 2) return
    // The header has been read, and the items have not.
    device.before = () => undefined
    for (let pushed = 0; pushed < 12; pushed++)
      await producer.append([new Uint8Array(3000).fill(3)])
  }
  expect(await reader.bytesOf(large)).toBeUndefined()
  expect(reads).toBe(2)
  await reader.close()
  await producer.close()
})
