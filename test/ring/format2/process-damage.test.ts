import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { text } from '../../../src/codec/index.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { BLOCK, DATA, pushBatches, smallRing } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { attachProducer } from '../../helpers/ring.ts'

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
  await damage(device, 1, (block) => Buffer.from(block).indexOf('damaged'))
  const reports: unknown[] = []
  const listen = (message: unknown): void => void reports.push(message)
  subscribe('shared-block-ring:damage', listen)
  const letters: unknown[] = []
  try {
    await using reader = await RingReader.open(device, { codec: text, onDamage: 'skip' })
    await reader.process((item, job) => (item === 'dead' ? job.giveUp('bad') : undefined), {
      untilEmpty: true,
      deadLetter: async ({ bytes }) => void letters.push(new TextDecoder().decode(bytes)),
    })
  } finally {
    unsubscribe('shared-block-ring:damage', listen)
  }
  expect(letters).toEqual(['dead'])
  expect(reports).toHaveLength(1)
})

describe('an item whose handler may have run is never said not to have been handled', () => {
  test.each([
    ['a damaged header hides it', 0],
    ['it is in a batch with a damaged item', undefined],
  ])('if %s until the producer checkpoints', async (_, at) => {
    const device = await smallRing(32)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock })
    const items = ['first', 'damaged', 'old'].map((item) => new TextEncoder().encode(item))
    await producer.append(items.slice(0, 1))
    await producer.append(items.slice(1, at === undefined ? 3 : 2))
    if (at !== undefined) await producer.append(items.slice(2))
    await damage(device, 1, (block) => at ?? Buffer.from(block).indexOf('damaged'))
    await using reader = await RingReader.open(device, { codec: text, onDamage: 'skip' })
    const stop = new AbortController()
    const seen: [string, boolean][] = []
    await reader.process(
      async (item, { mayHaveRun }) => {
        seen.push([item, mayHaveRun])
        if (item === 'new') return stop.abort()
        if (item === 'old') return pushBatches(device, [[new TextEncoder().encode('new')]])
        await producer.close()
        // It finds the end of the log behind the damage.
        await (await attachProducer(device, { clock })).close()
      },
      { signal: stop.signal },
    )
    expect(seen).toEqual([
      ['first', true],
      ['old', true],
      ['new', false],
    ])
  })

  test.each([
    ['has read', 2],
    ['has read ahead', 1],
  ])('if a header is damaged that the reader %s', async (_, maxItems) => {
    const device = await smallRing(32)
    const clock = new FakeClock()
    const producer = await attachProducer(device, { clock })
    const push = (item: string): Promise<unknown> =>
      producer.append([new TextEncoder().encode(item)])
    for (const item of ['first', 'second', 'third']) await push(item)
    await using reader = await RingReader.open(device, { codec: text, onDamage: 'skip' })
    await reader.receiveMany({ maxItems })
    await reader.rewind()
    await damage(device, maxItems === 2 ? 0 : 1, () => 0)
    await push('fourth')
    const seen: [string, boolean][] = []
    await reader.process(
      async (item, { mayHaveRun }) => {
        seen.push([item, mayHaveRun])
        if (item === 'fourth') await push('new')
      },
      { untilEmpty: true },
    )
    expect(seen).toContainEqual(['fourth', true])
    expect(seen.filter(([, mayHaveRun]) => !mayHaveRun)).toEqual([['new', false]])
  })
})

/** Damages some bytes of a block of the data area. */
async function damage(
  device: MemoryBlockDevice,
  lsn: number,
  find: (block: Uint8Array) => number,
): Promise<void> {
  const block = device.allocate(BLOCK)
  await device.read(DATA / BLOCK + lsn, [block])
  const at = find(block)
  expect(at).toBeGreaterThanOrEqual(0)
  block.fill(0xff, at, at + 4)
  await device.write(DATA / BLOCK + lsn, [block])
}
