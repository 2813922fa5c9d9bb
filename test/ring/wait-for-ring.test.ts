import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { text } from '../../src/codec/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'

/** All that is on a device. */
async function contentOf(device: MemoryBlockDevice): Promise<Uint8Array> {
  const content = new Uint8Array(sectorsFor(4096) * 512)
  await device.read(0, [content])
  return content
}

const blank = (): MemoryBlockDevice => new MemoryBlockDevice({ sizeSectors: sectorsFor(4096) })

test('a reader waits for another program to create the ring', async () => {
  const device = blank()
  const opening = RingReader.open(device, { waitForRing: true, codec: text })
  await using writer = await RingWriter.open(device, { createIfMissing: SMALL, codec: text })
  await writer.push('hello')
  await using reader = await opening
  expect((await reader.receive()).item).toBe('hello')
})

test('a reader waits while a ring is being created, but not if it stays damaged', async () => {
  const memory = blank()
  const made = new HookedDevice(memory)
  const images: Uint8Array[] = []
  made.before = async ({ operation }) => {
    if (operation === 'write') images.push(await contentOf(memory))
  }
  await Producer.create(made, SMALL)
  expect(images.length).toBeGreaterThan(2)
  const whole = await contentOf(memory)
  for (const image of images) {
    const device = blank()
    await device.write(0, [image])
    const clock = new FakeClock()
    const opening = RingReader.open(device, { waitForRing: true, clock })
    await clock.advance(1000)
    await device.write(0, [whole])
    await clock.advance(1000)
    await (await opening).close()
  }
  const device = blank()
  const damaged = whole.slice()
  damaged.fill(0xff, 4096, whole.length)
  await device.write(0, [damaged])
  const clock = new FakeClock()
  const opening = RingReader.open(device, { waitForRing: true, clock })
  const refused = expect(opening).rejects.toMatchObject({ code: 'RING_CORRUPT' })
  await clock.advance(20_000)
  await refused
})

test('a signal ends the wait for a ring', async () => {
  const stop = new AbortController()
  const clock = new FakeClock()
  const opening = RingReader.open(blank(), { waitForRing: true, signal: stop.signal, clock })
  const reason = new Error('not today')
  await clock.advance(5)
  expect(clock.sleepers).toBe(1)
  stop.abort(reason)
  await expect(opening).rejects.toBe(reason)
})

test('a reader does not wait on a device with other content', async () => {
  const device = blank()
  await device.write(0, [new Uint8Array(512).fill(7)])
  await expect(RingReader.open(device, { waitForRing: true })).rejects.toMatchObject({
    code: 'RING_NOT_INITIALISED',
  })
})
