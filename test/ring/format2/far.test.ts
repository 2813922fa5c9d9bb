import { beforeAll, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer, RingReader } from '../../../src/index.ts'
import { Journal } from '../../../src/journal/index.ts'
import { dumpAt, inspectRing, repairRing, suspendRing, verifyRing } from '../../../src/tools.ts'
import { bounded } from '../../fuzz/hostile/limits.ts'
import { Enough, type MeteredDevice } from '../../fuzz/meter.ts'
import { makeFarRing, TIB } from '../../helpers/far-ring.ts'
import { attachProducer } from '../../helpers/ring.ts'

let device: MemoryBlockDevice
beforeAll(async () => {
  device = new MemoryBlockDevice({ sizeSectors: TIB / 512 })
  await makeFarRing(device)
})

test.each<[string, (far: MeteredDevice, signal: AbortSignal) => Promise<unknown>]>([
  ['inspectRing', (far, signal) => inspectRing(far, { signal })],
  ['inspectRing with salvage', (far, signal) => inspectRing(far, { signal, salvage: true })],
  ['suspendRing', (far, signal) => suspendRing(far, { signal })],
  ['verifyRing', (far, signal) => verifyRing(far, { signal })],
  ['dumpAt', (far, signal) => dumpAt(far, TIB / 2, { signal })],
  ['repairRing', (far, signal) => repairRing(far, { signal })],
  [
    'repairRing with zeroUnreadable',
    (far, signal) => repairRing(far, { signal, zeroUnreadable: true }),
  ],
  [
    'Consumer.popMany',
    async (far, signal) => {
      await using consumer = await Consumer.attach(far, { signal })
      return await consumer.popMany({ signal })
    },
  ],
  [
    'RingReader.next',
    async (far, signal) => {
      await using reader = await RingReader.open(far, { signal })
      return await reader.receive({ signal })
    },
  ],
  ['Journal.open', (far, signal) => Journal.open(far, async () => undefined, { signal })],
])('%s looks at its signal while it looks behind damage', async (_, call) => {
  const far = bounded(device)
  await expect(call(far, far.signal)).rejects.toBeInstanceOf(Enough)
  expect(far.excess).toBeUndefined()
})

test('what was popped can be acknowledged once the signal of its call is aborted', async () => {
  const MIB = 1 << 20
  const ring = new MemoryBlockDevice({ sizeSectors: (64 * MIB) / 512 })
  await Producer.create(ring)
  await using producer = await attachProducer(ring)
  for (let index = 0; index < 12; index++) await producer.append([new Uint8Array(MIB)])
  await using consumer = await Consumer.attach(ring)
  const abort = new AbortController()
  // More than the consumer keeps: the first of them is read again when it is acknowledged.
  const first = await consumer.popMany({ maxItems: 1, signal: abort.signal })
  await consumer.popMany({ maxBytes: 12 * MIB, signal: abort.signal })
  abort.abort(new Error('enough'))
  const [{ position } = { position: consumer.position }] = first
  await consumer.advance(position)
  expect(consumer.position).toBe(position)
})
