import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { readScratch } from '../../src/block/scratch.ts'
import { HookedDevice } from '../helpers/hooked.ts'

/** A length that nothing else reads, so that no other test's memory is found. */
const BYTES = 7 * 512

async function numbered(): Promise<HookedDevice> {
  const bytes = Uint8Array.from({ length: 8 * BYTES }, (_, at) => Math.floor(at / BYTES))
  return new HookedDevice(await MemoryBlockDevice.from(bytes))
}

test('a read uses the memory of the one before, whichever device that was of', async () => {
  const memories = new Set<ArrayBufferLike>()
  for (let reads = 0; reads < 5; reads++) {
    const first = await readScratch(await numbered(), 7 * reads, BYTES, (memory) => {
      memories.add(memory.buffer)
      return memory.every((byte) => byte === reads)
    })
    expect(first).toBe(true)
  }
  expect(memories.size).toBe(1)
})

test('reads that overlap have memory of their own', async () => {
  const device = await numbered()
  const seen = await Promise.all(
    Array.from({ length: 8 }, (_, part) =>
      readScratch(device, 7 * part, BYTES, (memory) => ({
        buffer: memory.buffer,
        isWhole: memory.every((byte) => byte === part),
      })),
    ),
  )
  expect(seen.every(({ isWhole }) => isWhole)).toBe(true)
  expect(new Set(seen.map(({ buffer }) => buffer)).size).toBe(8)
})

test('the memory of a read that failed is not used again, and that of a use that failed is', async () => {
  const device = await numbered()
  const filled: Uint8Array[] = []
  const read = device.read.bind(device)
  device.read = async (sector, buffers) => {
    filled.push(...buffers)
    await read(sector, buffers)
    if (filled.length === 1) throw new Error('the device failed')
  }
  const use = (): never => {
    throw new Error('the use failed')
  }
  await expect(readScratch(device, 0, BYTES + 512, use)).rejects.toThrow('the device failed')
  await expect(readScratch(device, 0, BYTES + 512, use)).rejects.toThrow('the use failed')
  await readScratch(device, 0, BYTES + 512, () => undefined)
  expect(filled[1]).not.toBe(filled[0])
  expect(filled[2]).toBe(filled[1])
})
