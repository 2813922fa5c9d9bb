import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { Disk } from '../../src/ring/format2/disk/disk.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { attachProducer } from '../helpers/ring.ts'

/** Bytes of the ring: the search for what can be kept reads it in windows of 1 MiB. */
const MIB = 12

/** Reads of a push that a search makes before somebody loses patience. */
const PATIENCE = 3

const ITEM = new Uint8Array(1 << 20)

/** A full ring that overwrites, of which nothing but the very end of the log can be read as a log. */
async function damaged(): Promise<HookedDevice> {
  const memory = new MemoryBlockDevice({ sizeSectors: (MIB << 20) / 512 })
  await Producer.create(memory, { format: 2, blockSize: 512, onFull: 'overwrite' })
  const producer = await attachProducer(memory)

  for (let pushed = 0; pushed < MIB; pushed++) await producer.append([ITEM])
  await producer.close()
  const { layout } = await Disk.open(memory)
  await memory.writeZeroes(layout.dataOffset / 512, (layout.dataBlocks * layout.blockSize) / 512)
  return new HookedDevice(memory)
}

/** Calls somebody after some reads of the data area, as a search makes them. */
function onSearch(device: HookedDevice, act: () => void): void {
  let large = 0
  device.before = ({ operation, bytes }) => {
    if (operation === 'read' && bytes >= 1 << 20 && ++large === PATIENCE) act()
  }
}

function largeReads(device: HookedDevice): number {
  return device.take().filter(({ bytes }) => bytes >= 1 << 20).length
}

describe('the search for items that a ring can give up', () => {
  test('searches all of it if no call is aborted', async () => {
    const device = await damaged()
    await using writer = await RingWriter.open(device)
    device.take()
    await writer.push(ITEM)
    expect(largeReads(device)).toBeGreaterThan(2 * PATIENCE)
  })

  test('ends with the signal of the push, which pushed nothing, and the next one is pushed', async () => {
    const device = await damaged()
    await using writer = await RingWriter.open(device)
    const patience = new AbortController()
    onSearch(device, () => patience.abort(new Error('too long')))
    device.take()
    const before = writer.producer.position
    await expect(writer.push(ITEM, { signal: patience.signal })).rejects.toThrow('too long')
    expect(largeReads(device)).toBe(PATIENCE)
    expect(writer.producer.position).toBe(before)
    await writer.push(ITEM)
  })

  test('continues while a caller waits for the commit', async () => {
    const device = await damaged()
    await using writer = await RingWriter.open(device)
    const patience = new AbortController()
    onSearch(device, () => patience.abort())
    const hurried = writer.push(ITEM, { signal: patience.signal })
    const patient = writer.push(ITEM)
    // What is written was pushed, whoever waits for it.
    await expect(Promise.all([hurried, patient])).resolves.toHaveLength(2)
  })

  test('lets a push that comes meanwhile wait for a commit of its own', async () => {
    const device = await damaged()
    await using writer = await RingWriter.open(device)
    const patience = new AbortController()
    let later: Promise<unknown> | undefined
    onSearch(device, () => {
      later = writer.push(ITEM)
      patience.abort(new Error('too long'))
    })
    await expect(writer.push(ITEM, { signal: patience.signal })).rejects.toThrow('too long')
    await expect(later).resolves.toBeDefined()
  })

  test.each(['push', 'pushMany', 'append'] as const)(
    "ends with the signal of a producer's %s",
    async (how) => {
      const device = await damaged()
      await using producer = await attachProducer(device)
      const patience = new AbortController()
      onSearch(device, () => patience.abort(new Error('too long')))
      const { signal } = patience
      const pushing =
        how === 'push' ? producer.push(ITEM, { signal }) : producer[how]([ITEM], { signal })
      await expect(pushing).rejects.toThrow('too long')
      expect(await producer.append([ITEM])).toMatchObject({ status: 'ok' })
    },
  )

  test('ends when the writer is closed', async () => {
    const device = await damaged()
    const writer = await RingWriter.open(device)
    onSearch(device, () => void writer.close())
    device.take()
    await expect(writer.push(ITEM)).rejects.toMatchObject({ code: 'RING_CLOSED' })
    await writer.close()
    expect(largeReads(device)).toBe(PATIENCE)
  })
})
