import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'

const blank = (): MemoryBlockDevice => new MemoryBlockDevice({ sizeSectors: sectorsFor(4096) })

test('a reader waits for another program to create the ring', async () => {
  const device = blank()
  const opening = RingReader.open(device, { waitForRing: true, codec: text })
  await using writer = await RingWriter.open(device, { createIfMissing: SMALL, codec: text })
  await writer.push('hello')
  await using reader = await opening
  expect((await reader.receive()).item).toBe('hello')
})

test('its signal ends the waiting', async () => {
  const stop = new AbortController()
  const opening = RingReader.open(blank(), { waitForRing: true, signal: stop.signal })
  const reason = new Error('not today')
  setTimeout(() => stop.abort(reason), 5)
  await expect(opening).rejects.toBe(reason)
})

test('it does not wait where something else is', async () => {
  const device = blank()
  await device.write(0, [new Uint8Array(512).fill(7)])
  await expect(RingReader.open(device, { waitForRing: true })).rejects.toMatchObject({
    code: 'RING_NOT_INITIALISED',
  })
})
