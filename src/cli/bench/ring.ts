import type { BlockDevice } from '../../block/device.ts'
import { Consumer, Producer } from '../../ring/access/attach.ts'
import { RingWriter } from '../../ring/queue/writer.ts'
import { type Pace, paceOf, type Timing } from './timing.ts'

const ITEM_BYTES = 100
const BLOCK_BYTES = 4096

/** One way to use a ring. The pace is that of commits. */
export interface RingFigure extends Pace {
  readonly what: 'push' | 'take'
  /** Items in a commit. */
  readonly items: number
  readonly itemBytes: number
  readonly itemsPerSecond: number
}

/** Makes a ring of format 2 on the device, over any content, and measures it. */
export async function measureRing(
  device: BlockDevice,
  timing: Timing,
): Promise<readonly RingFigure[]> {
  await Producer.create(device, { format: 2, eraseOther: true })
  await using writer = await RingWriter.open(device)
  await using consumer = await Consumer.attach(device)
  const item = crypto.getRandomValues(new Uint8Array(ITEM_BYTES))
  const figures: RingFigure[] = []
  for (const items of [1, 64, 1000]) {
    const batch = new Array<Uint8Array>(items).fill(item)
    const commits = commitsIn(writer.producer.capacityBytes / 2, items)
    const pace = await paceOf(
      () => writer.pushMany(batch),
      timing,
      async (index) => {
        if (index % commits === 0) await drain(consumer)
      },
    )
    figures.push(figureOf('push', items, pace))
  }
  await drain(consumer)
  for (const items of [1, 100]) {
    const batch = new Array<Uint8Array>(100 * items).fill(item)
    const pace = await paceOf(
      () => take(consumer, items),
      timing,
      async (index) => {
        if (index % 100 === 0) await writer.pushMany(batch)
      },
    )
    figures.push(figureOf('take', items, pace))
    await drain(consumer)
  }
  return figures
}

function figureOf(what: RingFigure['what'], items: number, pace: Pace): RingFigure {
  return { what, items, itemBytes: ITEM_BYTES, itemsPerSecond: items * pace.perSecond, ...pace }
}

/** The number of commits of this many items that certainly fit into this many bytes. */
function commitsIn(bytes: number, items: number): number {
  const blocks = 1 + Math.ceil((2 * items * ITEM_BYTES) / BLOCK_BYTES)
  return Math.max(1, Math.floor(bytes / (blocks * BLOCK_BYTES)))
}

async function take(consumer: Consumer, maxItems: number): Promise<number> {
  const popped = await consumer.popMany({ maxItems })
  const last = popped.at(-1)
  if (last !== undefined) await consumer.advance(last.position)
  return popped.length
}

async function drain(consumer: Consumer): Promise<void> {
  for (let taken = 1; taken > 0; ) taken = await take(consumer, 10_000)
}
