import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { collect } from '../helpers/collect.ts'
import { deviceBytes, hex } from '../helpers/golden.ts'
import { CachedDevice, type Choose } from '../helpers/power.ts'
import { fc, runs } from '../helpers/property.ts'

const SECTORS = 5

/** An item that was ever pushed, and where it ends. */
interface Pushed {
  readonly item: string
  readonly end: bigint
}

/** What was promised, and what may also be. */
interface Promises {
  /** All items in the order of pushing; what a cut took away is taken off. */
  items: Pushed[]
  /** Advanced, and acknowledged. */
  producer: bigint
  consumer: bigint
  /** Advancing was begun. */
  producerAttempt: bigint
  consumerAttempt: bigint
}

/** One life: what the roles do until the power fails, or until they are killed while the power stays. */
interface Life {
  readonly killed: boolean
  readonly who: 'both' | 'producer' | 'consumer'
  readonly writes: number
  readonly steps: readonly { readonly what: number; readonly size: number }[]
}

const lifeArbitrary: fc.Arbitrary<Life> = fc.record({
  killed: fc.boolean(),
  who: fc.constantFrom('both' as const, 'both' as const, 'producer' as const, 'consumer' as const),
  writes: fc.integer({ min: 0, max: 40 }),
  steps: fc.array(fc.record({ what: fc.nat(4), size: fc.nat(300) }), {
    minLength: 5,
    maxLength: 40,
  }),
})

async function live(device: CachedDevice, promises: Promises, { who, steps }: Life): Promise<void> {
  const settled = await Promise.allSettled([
    who === 'consumer' ? undefined : produce(device, promises, steps),
    who === 'producer' ? undefined : consume(device, promises, steps),
  ])
  for (const outcome of settled) if (outcome.status === 'rejected') throw outcome.reason
}

async function produce(
  device: CachedDevice,
  promises: Promises,
  steps: Life['steps'],
): Promise<void> {
  const attached = await Producer.attach(device)
  if (attached.status !== 'attached') throw new Error('nobody suspended the ring')
  const { producer } = attached
  for (const { size } of steps) {
    const items = Array.from({ length: 1 + (size % 3) }, (_, n) =>
      new Uint8Array(size).fill((promises.items.length + n) % 251),
    )
    const pushed = await producer.pushMany(items)
    if (pushed.status !== 'ok') continue
    pushed.positions.forEach((end, n) => {
      promises.items.push({ item: hex(items[n] ?? new Uint8Array()), end })
    })
    const end = pushed.positions.at(-1) as Position
    promises.producerAttempt = end
    await producer.advance(end)
    promises.producer = end
  }
}

async function consume(
  device: CachedDevice,
  promises: Promises,
  steps: Life['steps'],
): Promise<void> {
  const consumer = await Consumer.attach(device)
  for (const { what } of [...steps, ...steps]) {
    const popped = await consumer.popMany({ maxItems: 1 + what })
    const last = popped.at(-1)
    if (last === undefined) continue
    promises.consumerAttempt = last.position
    await consumer.advance(last.position)
    promises.consumer = last.position
  }
}

/** Checks what the device holds against what was promised, and goes on from there. */
async function recover(device: CachedDevice, promises: Promises, killed: boolean): Promise<void> {
  const ring = await inspectRing(device)
  const { position: producer } = ring.producer
  const { position: consumer } = ring.consumer
  expectBetween(producer, promises.producer, promises.producerAttempt, promises.items)
  expectBetween(consumer, promises.consumer, promises.consumerAttempt, promises.items)
  const found = (await collect(ring.items())).map(({ item, position }) => ({
    item: hex(item),
    end: position,
  }))
  const wanted = promises.items.filter(({ end }) => end > consumer && end <= producer)
  expect(found).toEqual(wanted)
  promises.items = promises.items.filter(({ end }) => end <= producer)
  promises.producerAttempt = producer
  promises.consumerAttempt = consumer
  // What was begun, and is visible after a kill, may still be lost with the power.
  if (killed) return
  promises.producer = producer
  promises.consumer = consumer
}

/** A pointer is where it was promised to be, or at the end of an item on the way to where it was meant to go. */
function expectBetween(
  found: bigint,
  promised: bigint,
  attempted: bigint,
  items: readonly Pushed[],
): void {
  const ends = items.map(({ end }) => end).filter((end) => end > promised && end <= attempted)
  expect([promised, ...ends]).toContain(found)
}

test('a power cut at any write, keeping any subset of what was not flushed, loses nothing acknowledged', async () => {
  let cutsInLife = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(lifeArbitrary, { minLength: 1, maxLength: 6 }),
      fc.infiniteStream(fc.nat()),
      async (lives, numbers) => {
        const choose: Choose = (below) => (numbers.next().value ?? 0) % below
        const blank = new MemoryBlockDevice({ sizeSectors: SECTORS })
        await Producer.create(blank, { format: 1 })
        let device = await CachedDevice.from(await deviceBytes(blank), choose)
        const promises: Promises = {
          items: [],
          producer: 0n,
          consumer: 0n,
          producerAttempt: 0n,
          consumerAttempt: 0n,
        }
        for (const life of lives) {
          device.failAfter(life.writes)
          try {
            await live(device, promises, life)
          } catch (error) {
            if (!device.off) throw error
            cutsInLife++
          }
          device = life.killed
            ? await device.restarted()
            : await CachedDevice.from(device.cut(), choose)
          await recover(device, promises, life.killed)
        }
      },
    ),
    runs(250),
  )
  expect(cutsInLife).toBeGreaterThan(250)
})
