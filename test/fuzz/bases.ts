import { MemoryBlockDevice } from '../../src/block/memory.ts'
import type { Position } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { makeLayout } from '../../src/ring/format2/disk/layout.ts'
import { Random } from '../../src/sim/world/random.ts'
import { stillClock } from './still-clock.ts'

/** How a ring to be damaged is made. */
export interface Shape {
  readonly format: 1 | 2
  readonly sectorSize: number
  /** Bytes in a block; in format 1 this is the sector. */
  readonly blockSize: number
  /** Blocks in the data area. */
  readonly dataBlocks: number
  readonly onFull: 'wait' | 'overwrite'
}

/** A ring to be damaged, and what is known of it. */
export interface Base {
  readonly name: string
  readonly shape: Shape
  /** The device's bytes. */
  readonly image: Uint8Array
  /** The same ring's, at earlier times. */
  readonly earlier: readonly Uint8Array[]
  /** Another ring's, of the same shape. */
  readonly foreign: Uint8Array
  /** What a consumer is given if nothing is damaged. */
  readonly waiting: readonly Uint8Array[]
  /** All items that ever were in the ring: by how many were before them, because dropped ones are counted again. */
  readonly history: History
}

/** Items by how many were before them in the ring. */
export type History = ReadonlyMap<number, readonly Uint8Array[]>

/** Large enough for a ring of any shape. */
const LARGE_BYTES = 1 << 20
/** Positions of format 2 count items, and have the epoch above this. */
const EPOCH = 2n ** 53n

/** How many items of a ring of format 2 were before the one that ends at a position. */
export function numberOf(position: Position): number {
  return Number(position % EPOCH) - 1
}

/** Works on a ring, and keeps account of what is in it. */
class Workshop {
  readonly #device: MemoryBlockDevice
  readonly #shape: Shape
  readonly #random: Random
  readonly #history = new Map<number, Uint8Array[]>()
  readonly #snapshots: Uint8Array[] = []
  #visible: { readonly item: Uint8Array; readonly end: Position }[] = []
  #producer: Producer | undefined
  #consumer: Consumer | undefined

  constructor(shape: Shape, random: Random) {
    const { sectorSize } = shape
    this.#shape = shape
    this.#random = random
    this.#device = new MemoryBlockDevice({ sectorSize, sizeSectors: sizeOf(shape) / sectorSize })
  }

  async create(): Promise<void> {
    const { format, blockSize, onFull } = this.#shape
    const uuid = Uint8Array.from({ length: 16 }, () => this.#random.below(256))
    const two = { blockSize, uuid, onFull, clock: stillClock }
    await Producer.create(this.#device, { format, ...(format === 2 && two) })
  }

  /** Appends items, at most up to a length each, as far as there is room. */
  async append(count: number, most: number): Promise<void> {
    const producer = await this.#producing()
    const items = this.#items(count, most)
    const result = await producer.append(items)
    if (result.status === 'ok') this.#note(items, result.positions, true)
  }

  /** Pushes items that nobody gets to see. */
  async hold(count: number, most: number): Promise<void> {
    const producer = await this.#producing()
    const items = this.#items(count, most)
    const result = await producer.pushMany(items)
    if (result.status === 'ok') this.#note(items, result.positions, false)
  }

  /** Appends the largest item that there is room for in an empty ring. */
  async appendLargest(): Promise<void> {
    const { maxItemBytes } = await this.#producing()
    await this.append(1, -maxItemBytes)
  }

  /** Pops items and acknowledges them. */
  async take(count: number): Promise<void> {
    const consumer = await this.#consuming()
    const popped = await consumer.popMany({ maxItems: count })
    const last = popped.at(-1)
    if (last !== undefined) await consumer.advance(last.position)
    // A ring that overwrites may have lost some.
    this.#visible = this.#visible.filter(({ end }) => end > consumer.position)
  }

  async suspend(): Promise<void> {
    const producer = await this.#producing()
    await (await this.#consuming()).suspend()
    await producer.state()
  }

  /** Has the next use of each role attach anew. With `detached`, the roles write down where they are before. */
  async restart(detached: boolean): Promise<void> {
    await this.#producer?.close()
    if (detached) await this.#consumer?.close()
    this.#producer = undefined
    if (detached) this.#consumer = undefined
  }

  async snapshot(): Promise<void> {
    this.#snapshots.push(await this.#bytes())
  }

  async base(name: string, foreign: Uint8Array): Promise<Base> {
    return {
      name,
      shape: this.#shape,
      image: await this.#bytes(),
      earlier: this.#snapshots,
      foreign,
      waiting: this.#visible.map(({ item }) => item),
      history: this.#history,
    }
  }

  async #bytes(): Promise<Uint8Array> {
    const bytes = new Uint8Array(sizeOf(this.#shape))
    await this.#device.read(0, [bytes])
    return bytes
  }

  /** Items of random lengths, or of one given as a negative number. */
  #items(count: number, most: number): Uint8Array[] {
    const length = (): number => (most < 0 ? -most : this.#random.below(most + 1))
    return Array.from({ length: count }, () =>
      Uint8Array.from({ length: length() }, () => this.#random.below(256)),
    )
  }

  #note(items: readonly Uint8Array[], positions: readonly Position[], shown: boolean): void {
    positions.forEach((end, index) => {
      const item = items[index] as Uint8Array
      const number = numberOf(end)
      this.#history.set(number, [...(this.#history.get(number) ?? []), item])
      if (shown) this.#visible.push({ item, end })
    })
  }

  async #producing(): Promise<Producer> {
    if (this.#producer === undefined) {
      const attached = await Producer.attach(this.#device, {
        clock: stillClock,
        refreshIntervalMs: 0,
      })
      if (attached.status !== 'attached') throw new Error('the ring is suspended')
      this.#producer = attached.producer
    }
    return this.#producer
  }

  async #consuming(): Promise<Consumer> {
    this.#consumer ??= await Consumer.attach(this.#device, {
      clock: stillClock,
      refreshIntervalMs: 0,
    })
    return this.#consumer
  }
}

/** The device's size. */
function sizeOf({ format, blockSize, dataBlocks }: Shape): number {
  if (format === 1) return (3 + dataBlocks) * blockSize
  const unit = Math.max(4096, blockSize)
  const { dataOffset } = makeLayout(blockSize, LARGE_BYTES, 'large')
  return dataOffset + Math.ceil((dataBlocks * blockSize) / unit) * unit + unit
}

/** What is done to a new ring. `most` is the length of items of which a few fill a block. */
const STORIES: Readonly<Record<string, (ring: Workshop, most: number) => Promise<void>>> = {
  empty: async () => undefined,
  fresh: async (ring, most) => {
    await ring.append(3, most)
    await ring.snapshot()
    await ring.append(2, most)
    await ring.append(1, 0)
  },
  'half consumed': async (ring, most) => {
    for (let round = 0; round < 3; round++) await ring.append(3, most)
    await ring.snapshot()
    await ring.take(4)
  },
  drained: async (ring, most) => {
    await ring.append(3, most)
    await ring.snapshot()
    await ring.take(3)
    await ring.restart(true)
  },
  wrapped: async (ring, most) => {
    for (let round = 0; round < 40; round++) {
      await ring.append(1 + (round % 3), most)
      if (round % 7 === 0) await ring.snapshot()
      if (round % 2 === 1) await ring.take(round < 37 ? 5 : 1)
    }
  },
  uncommitted: async (ring, most) => {
    await ring.append(2, most)
    await ring.hold(1, most)
    await ring.snapshot()
    await ring.hold(2, most)
  },
  epochs: async (ring, most) => {
    for (let epoch = 0; epoch < 5; epoch++) {
      await ring.append(1, most)
      await ring.hold(1, most)
      await ring.snapshot()
      if (epoch === 2) await ring.take(2)
      await ring.restart(epoch % 2 === 1)
    }
    await ring.append(1, most)
  },
  'merged epochs': async (ring, most) => {
    await ring.append(1, most)
    await ring.take(1)
    for (let epoch = 0; epoch < 14; epoch++) {
      await ring.append(1, epoch % 4 === 0 ? most : 20)
      await ring.restart(false)
      if (epoch % 5 === 0) await ring.snapshot()
    }
  },
  'large item': async (ring) => {
    await ring.append(1, 20)
    await ring.take(1)
    await ring.snapshot()
    await ring.restart(true)
    await ring.appendLargest()
  },
  full: async (ring, most) => {
    for (let round = 0; round < 40; round++) await ring.append(1, most)
    await ring.snapshot()
    await ring.take(2)
    for (let round = 0; round < 3; round++) await ring.append(1, most)
  },
  suspended: async (ring, most) => {
    await ring.append(2, most)
    await ring.snapshot()
    await ring.suspend()
  },
}

const SHAPES: readonly Shape[] = [
  { format: 1, sectorSize: 512, blockSize: 512, dataBlocks: 8, onFull: 'wait' },
  { format: 1, sectorSize: 4096, blockSize: 4096, dataBlocks: 2, onFull: 'wait' },
  { format: 2, sectorSize: 512, blockSize: 512, dataBlocks: 24, onFull: 'wait' },
  { format: 2, sectorSize: 512, blockSize: 512, dataBlocks: 8, onFull: 'overwrite' },
  { format: 2, sectorSize: 512, blockSize: 4096, dataBlocks: 6, onFull: 'wait' },
  { format: 2, sectorSize: 4096, blockSize: 4096, dataBlocks: 5, onFull: 'wait' },
]

let made: Promise<readonly Base[]> | undefined

/** All rings of which damaged copies are made: the same ones every time, so they are made once. */
export function makeBases(): Promise<readonly Base[]> {
  made ??= makeAll()
  return made
}

async function makeAll(): Promise<readonly Base[]> {
  const bases: Base[] = []
  for (const [index, shape] of SHAPES.entries()) {
    const { format, sectorSize, blockSize, onFull } = shape
    for (const [story, tell] of Object.entries(STORIES)) {
      const foreign = new Workshop(shape, Random.of(index, 1))
      const ring = new Workshop(shape, Random.of(index, 2))
      for (const each of [foreign, ring]) {
        await each.create()
        await tell(each, blockSize * 1.2)
      }
      const name = `format ${format}, ${story}, ${sectorSize}/${blockSize}, ${onFull}`
      bases.push(await ring.base(name, (await foreign.base(name, new Uint8Array())).image))
    }
  }
  return bases
}
