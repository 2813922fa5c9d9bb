import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'

/** Counts the pieces of memory that are made for I/O. */
class CountedDevice extends MemoryBlockDevice {
  allocations = 0

  override allocate(bytes: number): Uint8Array {
    this.allocations++
    return super.allocate(bytes)
  }
}

const LARGE = new Uint8Array(100_000).fill(7)

test.each([
  ['push', async (writer: RingWriter) => void (await writer.push(LARGE))],
  [
    'tryPush',
    async (writer: RingWriter) => expect((await writer.tryPush(LARGE)).status).toBe('ok'),
  ],
])('the memory of a large item that was given to %s is used again', async (_, push) => {
  const device = new CountedDevice({ sizeSectors: 8192 })
  await using writer = await RingWriter.open(device, { createIfMissing: true })
  for (let warm = 0; warm < 3; warm++) await push(writer)
  const before = device.allocations
  for (let more = 0; more < 10; more++) await push(writer)
  expect(device.allocations - before).toBe(0)
})
