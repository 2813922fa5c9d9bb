import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import type { Clock } from '../../../src/clock.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import type { CreateOptions } from '../../../src/ring/types.ts'
import { attachProducer } from '../../helpers/ring.ts'

/** How an image is made, always the same: nothing in it is random. */
export interface Recipe {
  readonly name: string
  readonly what: string
  make(): Promise<MemoryBlockDevice>
}

/** Time stands still; who waits for the background waits for ever. */
const clock: Clock = {
  now: () => 0,
  time: () => 1_700_000_000_000,
  sleep: () => new Promise(() => undefined),
}
const names = { queue: 'golden', client: 'test', clock, refreshIntervalMs: 0 }
const FRONT_AND_END_BYTES = 12_288 + 9 * 4096

/** Bytes that nothing else looks like. */
export function bytesOf(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, at) => (seed + at * 7) & 255)
}

/**
 * An item that begins with a magic at each 512th byte of its batch, if so many bytes come before it; and is one bit off
 * it at some.
 */
function plantedItem(length: number, before: number, magic: string): Uint8Array {
  const item = bytesOf(length, 1)
  for (let at = 512 - before; at + magic.length <= length; at += 512) {
    item.set(new TextEncoder().encode(magic), at)
    if (at % 3 === 0) item[at] = (item[at] ?? 0) ^ 2
  }
  return item
}

async function ring(blocks: number, options: CreateOptions = {}): Promise<MemoryBlockDevice> {
  const around = options.blockSize === 65_536 ? 10 * 65_536 : FRONT_AND_END_BYTES
  const device = new MemoryBlockDevice({ sizeSectors: (around + blocks * 512) / 512 })
  const uuid = Uint8Array.from({ length: 16 }, (_, at) => at * 16 + at)
  await Producer.create(device, { uuid, clock, blockSize: 512, name: 'golden', ...options })
  return device
}

async function append(producer: Producer, ...items: readonly Uint8Array[]): Promise<void> {
  const result = await producer.append(items)
  if (result.status !== 'ok') throw new Error(`append answered ${result.status}`)
}

/** Pops so many items, and acknowledges them. */
async function take(consumer: Consumer, items: number): Promise<void> {
  const popped = await consumer.popMany({ maxItems: items })
  const last = popped.at(-1)
  if (last === undefined || popped.length !== items) throw new Error('there are not so many')
  await consumer.advance(last.position)
}

function recipe(name: string, what: string, make: () => Promise<MemoryBlockDevice>): Recipe {
  return { name, what, make }
}

export const RECIPES: readonly Recipe[] = [
  recipe('empty', 'made, and never used; blocks of 512 bytes', () => ring(8)),
  recipe('empty-4096', 'the same with blocks of 4096 bytes, the smallest such ring', async () => {
    return ring(32, { blockSize: 4096 })
  }),
  recipe('items', 'three items of 0, 1 and 600 bytes appended at once, and one more', async () => {
    const device = await ring(8)
    const producer = await attachProducer(device, names)
    await append(producer, bytesOf(0, 1), bytesOf(1, 2), bytesOf(600, 3))
    await append(producer, bytesOf(5, 4))
    return device
  }),
  recipe(
    'uncommitted',
    'items pushed one by one, of which only the first is committed',
    async () => {
      const device = await ring(16)
      const producer = await attachProducer(device, names)
      const first = await producer.push(bytesOf(10, 1))
      await producer.pushMany([bytesOf(20, 2), bytesOf(30, 3)])
      if (first.status === 'ok') await producer.advance(first.position)
      return device
    },
  ),
  recipe('half-consumed', 'acknowledged in the middle of a batch, and detached', async () => {
    const device = await ring(16)
    const producer = await attachProducer(device, names)
    await append(producer, bytesOf(100, 1), bytesOf(100, 2), bytesOf(100, 3))
    const consumer = await Consumer.attach(device, names)
    await take(consumer, 2)
    await Promise.all([producer.close(), consumer.close()])
    return device
  }),
  recipe('wrapped', 'a batch goes over the end of the data area', async () => {
    const device = await ring(8)
    const producer = await attachProducer(device, names)
    const consumer = await Consumer.attach(device, names)
    for (let round = 0; round < 6; round++) {
      await append(producer, bytesOf(900, round))
      if (round < 5) await take(consumer, 1)
    }
    await append(producer, bytesOf(900, 6))
    return device
  }),
  recipe(
    'epochs',
    'three producers, one after the other; the uncommitted item of the second is dropped',
    async () => {
      const device = await ring(16)
      for (let epoch = 0; epoch < 3; epoch++) {
        const producer = await attachProducer(device, names)
        await append(producer, bytesOf(40 + epoch, epoch))
        if (epoch === 1) await producer.push(bytesOf(99, 99))
        await producer.close()
      }
      return device
    },
  ),
  recipe('suspended', 'the consumer asked for a pause, and the producer granted it', async () => {
    const device = await ring(8)
    const producer = await attachProducer(device, names)
    await append(producer, bytesOf(3, 1))
    const consumer = await Consumer.attach(device, names)
    await consumer.suspend()
    await producer.state()
    await Promise.all([producer.close(), consumer.close()])
    return device
  }),
  recipe('overwritten', 'a ring that overwrites its oldest items, which it did', async () => {
    const device = await ring(16, { onFull: 'overwrite' })
    const producer = await attachProducer(device, names)
    for (let number = 0; number < 40; number++) await append(producer, bytesOf(200, number))
    await producer.close()
    return device
  }),
  ...[
    { blockSize: 512, blocks: 16 },
    { blockSize: 4096, blocks: 8 },
    { blockSize: 65_536, blocks: 5 },
  ].map(({ blockSize, blocks }) =>
    recipe(
      `masked-${blockSize}`,
      `items that begin like structures at each 512th byte; blocks of ${blockSize} bytes`,
      async () => {
        const device = await ring((blocks * blockSize) / 512, { blockSize })
        const producer = await attachProducer(device, names)
        await append(producer, plantedItem(1500, 88, 'SBRB'), bytesOf(9, 1))
        await append(producer, plantedItem(blockSize + 700, 80 + 8, 'mira'))
        await append(producer, bytesOf(700, 2))
        return device
      },
    ),
  ),
  recipe('masked-wrapped', 'a masked batch goes over the end of the data area', async () => {
    const device = await ring(8)
    const producer = await attachProducer(device, names)
    const consumer = await Consumer.attach(device, names)
    for (let round = 0; round < 4; round++) {
      await append(producer, bytesOf(900, round))
      await take(consumer, 1)
    }
    for (let round = 0; round < 3; round++) {
      await append(producer, bytesOf(400, round))
      await take(consumer, 1)
    }
    await append(producer, plantedItem(1800, 88, 'SBRB'))
    return device
  }),
]
