import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, test } from 'vitest'
import { text } from '../../../src/codec/index.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { BLOCK, DATA, pushBatches, smallRing } from '../../helpers/damage.ts'

test('the bytes of an item behind damage are read again without reporting that again', async () => {
  const device = await smallRing(32)
  const encoder = new TextEncoder()
  await pushBatches(device, [
    [encoder.encode('first')],
    [encoder.encode('damaged')],
    [encoder.encode('dead')],
    [encoder.encode('last')],
  ])
  // The first batch takes a block, and so does the one that is damaged.
  const block = device.allocate(BLOCK)
  await device.read(DATA / BLOCK + 1, [block])
  const at = Buffer.from(block).indexOf('damaged')
  expect(at).toBeGreaterThan(0)
  block[at] = 0
  await device.write(DATA / BLOCK + 1, [block])
  const reports: unknown[] = []
  const listen = (message: unknown): void => void reports.push(message)
  subscribe('shared-block-ring:damage', listen)
  const letters: unknown[] = []
  try {
    await using reader = await RingReader.open(device, { codec: text, onDamage: 'skip' })
    await reader.process((item, job) => (item === 'dead' ? job.dead('bad') : undefined), {
      untilEmpty: true,
      deadLetter: async ({ bytes }) => void letters.push(new TextDecoder().decode(bytes)),
    })
  } finally {
    unsubscribe('shared-block-ring:damage', listen)
  }
  expect(letters).toEqual(['dead'])
  expect(reports).toHaveLength(1)
})
