import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { type DeviceSource, deviceConformance, gatedDevice } from '../../src/conformance/index.ts'
import { BlockError } from '../../src/errors.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'

interface Stripe {
  open(
    first: BlockDevice,
    second: BlockDevice,
    options?: { readonly chunkSectors: number },
  ): Promise<BlockDevice>
}
const root = new URL('../../', import.meta.url)
const { StripedBlockDevice: striped }: { readonly StripedBlockDevice: Stripe } = await import(
  new URL('examples/stripe.mjs', root).href
)

const memory = (mode: 'read-write' | 'read-only' = 'read-write'): MemoryBlockDevice =>
  new MemoryBlockDevice({ sizeSectors: 1100, mode })

describe.concurrent.each([1, 3, 128])('a stripe, in chunks of %i sectors', (chunkSectors) => {
  const source: DeviceSource = {
    open: () => striped.open(memory(), memory(), { chunkSectors }),
    openReadOnly: () => striped.open(memory(), memory('read-only'), { chunkSectors }),
    openGated: async (gate) =>
      striped.open(
        await gatedDevice(gate, { sizeSectors: 1100 }),
        await gatedDevice(gate, { sizeSectors: 1100 }),
        { chunkSectors },
      ),
  }
  deviceConformance({ test: test.concurrent, ...source })
})

test.each(['read', 'write', 'flush', 'discard'] as const)(
  'a %s that fails on one device is not over before the other device is done',
  async (operation) => {
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const failing = await gatedDevice(async () => {
      throw new BlockError('BLOCK_IO', 'broken', { device: 'failing' })
    })
    const slow = await gatedDevice(() => held)
    await using stripe = await striped.open(failing, slow, { chunkSectors: 1 })
    let isOver = false
    const buffers = [new Uint8Array(1024)]
    const call =
      operation === 'flush'
        ? stripe.flush()
        : operation === 'discard'
          ? stripe.discard(0, 2)
          : stripe[operation](0, buffers)
    const over = call.catch((error: unknown) => {
      isOver = true
      return error
    })
    for (let turns = 0; turns < 50; turns++) await new Promise(setImmediate)
    const wasOver = isOver
    release()
    expect(wasOver).toBe(false)
    expect(await over).toMatchObject({ code: 'BLOCK_IO' })
  },
)

test('a ring works on it, and its sectors take turns', async () => {
  const [first, second] = [memory(), memory()]
  await using stripe = await striped.open(first, second, { chunkSectors: 8 })
  await using writer = await RingWriter.open(stripe, { createIfMissing: true })
  const items = Array.from({ length: 50 }, (_, index) => new Uint8Array(3000).fill(index))
  await writer.pushMany(items)
  await using reader = await RingReader.open(stripe)
  const found: Uint8Array[] = []
  while (found.length < items.length) {
    for (const { item } of await reader.receiveMany()) found.push(item)
  }
  expect(found).toEqual(items)
})

test('devices with different sectors are refused', async () => {
  const other = new MemoryBlockDevice({ sizeSectors: 100, sectorSize: 4096 })
  await expect(striped.open(memory(), other)).rejects.toMatchObject({ code: 'BLOCK_OPEN' })
})

test('docs/back-ends.md shows the example as it is', () => {
  const page = readFileSync(new URL('docs/back-ends.md', root), 'utf8')
  const source = readFileSync(new URL('examples/stripe.mjs', root), 'utf8')
  const shown = [...page.matchAll(/```js\n(.*?)```/gs)].map(([, code = '']) => code)
  expect(shown.length).toBeGreaterThan(2)
  for (const code of shown) expect(source).toContain(code)
})
