import type { BlockDevice } from '../../block/device.ts'
import { PartitionBlockDevice } from '../../block/wrap/partition.ts'
import { Violation } from '../runs/violation.ts'
import type { SimProcess } from '../world/process.ts'
import type { Random } from '../world/random.ts'
import type { Filling, SectorOracle } from './sector-oracle.ts'

/** The unit that is kept or lost as a whole, in bytes, whatever the device's sector size. */
export const UNIT_BYTES = 512

/** Calls at the same time at most. */
const WIDTH = 4
/** Milliseconds between calls at most. */
const PAUSE_MS = 25
/** Milliseconds until the buffer of a rejected read is checked again. */
const AFTERWARDS_MS = 400

/** The part of a run that neighbours use. */
export interface NeighbourContext {
  /** True if every request to the device fails from now on. */
  spent(): boolean
  /** Judges an error of the device. */
  judge(what: string, error: unknown): void
  /** A guarantee is violated. */
  violate(error: unknown): void
}

/** The neighbour's part of a device. */
export interface Neighbourhood {
  readonly sectorStart: number
  readonly sectors: number
  /** Bytes in a call at most. */
  readonly mostBytes: number
  readonly discards: boolean
}

/**
 * A program that uses another part of a ring's device, in the same process, so that the ring's requests share every
 * queue on their way. It makes every kind of call, several at a time, and knows what its sectors contain.
 */
export class Neighbour {
  readonly #context: NeighbourContext
  readonly #process: SimProcess
  readonly #oracle: SectorOracle
  readonly #random: Random
  readonly #area: Neighbourhood
  readonly #sectorSize: number
  readonly #device: BlockDevice
  /** Sectors in use. */
  readonly #busy = new Set<number>()
  readonly #working: Promise<void>
  #stopping = false

  private constructor(
    context: NeighbourContext,
    process: SimProcess,
    oracle: SectorOracle,
    random: Random,
    area: Neighbourhood,
    device: BlockDevice,
    sectorSize: number,
  ) {
    this.#context = context
    this.#process = process
    this.#oracle = oracle
    this.#random = random
    this.#area = area
    this.#device = device
    this.#sectorSize = sectorSize
    this.#working = Promise.all(Array.from({ length: WIDTH }, () => this.#work())).then(
      () => undefined,
      (error: unknown) => context.violate(error),
    )
  }

  /** Begins to work on its part of a device. */
  static async begin(
    device: BlockDevice,
    context: NeighbourContext,
    process: SimProcess,
    oracle: SectorOracle,
    random: Random,
    area: Neighbourhood,
  ): Promise<Neighbour> {
    const { sectorStart, sectors } = area
    const partition = await PartitionBlockDevice.open(device, { sectorStart, sectors })
    const { sectorSize } = await partition.getInfo()
    return new Neighbour(context, process, oracle, random, area, partition, sectorSize)
  }

  /** Stops when the calls in flight are done. */
  async stop(): Promise<void> {
    this.#stopping = true
    await this.#working
  }

  async #work(): Promise<void> {
    for (;;) {
      await this.#process.clock.sleep(this.#random.float() * PAUSE_MS)
      if (this.#stopping || this.#context.spent()) return
      try {
        await this.#call()
      } catch (error) {
        if (error instanceof Violation) throw error
        this.#context.judge('the neighbour', error)
      }
    }
  }

  async #call(): Promise<void> {
    const random = this.#random
    const kind = random.weighted([
      [3, 'read'],
      [4, 'write'],
      [1, 'zeroes'],
      [this.#area.discards ? 0.5 : 0, 'discard'],
      [1, 'flush'],
    ] as const)
    if (kind === 'flush') {
      await this.#flush()
      return
    }
    const run = this.#choose()
    if (run === undefined) return
    for (let at = 0; at < run.sectors; at++) this.#busy.add(run.sector + at)
    try {
      if (kind === 'read') await this.#read(run)
      else await this.#change(run, kind, random.chance(0.5))
    } finally {
      for (let at = 0; at < run.sectors; at++) this.#busy.delete(run.sector + at)
    }
  }

  /** Sectors that no other call uses. */
  #choose(): { readonly sector: number; readonly sectors: number } | undefined {
    const { sectors: all, mostBytes } = this.#area
    const most = Math.min(all, mostBytes / this.#sectorSize)
    const sectors = this.#random.chance(0.4) ? this.#random.between(1, most) : 1
    const sector = this.#random.below(all - sectors + 1)
    for (let at = 0; at < sectors; at++) if (this.#busy.has(sector + at)) return undefined
    return { sector, sectors }
  }

  async #flush(): Promise<void> {
    const flushing = this.#oracle.flushing(this.#device)
    await this.#device.flush()
    this.#oracle.flushed(flushing)
  }

  async #read({ sector, sectors }: { sector: number; sectors: number }): Promise<void> {
    const buffer = this.#device.allocate(sectors * this.#sectorSize)
    try {
      await this.#device.read(sector, [buffer])
    } catch (error) {
      this.#watch(buffer)
      throw error
    }
    this.#oracle.read(sector * this.#units, buffer)
  }

  /** Checks later that a rejected read has left the caller's memory alone. */
  #watch(buffer: Uint8Array): void {
    const before = buffer.slice()
    const { scheduler } = this.#process.world
    scheduler.after(AFTERWARDS_MS, () => {
      if (!before.every((byte, at) => byte === buffer[at])) {
        this.#context.violate(
          new Violation('memory', 'a read that was rejected filled its buffer afterwards'),
        )
      }
      return false
    })
  }

  async #change(
    { sector, sectors }: { sector: number; sectors: number },
    kind: 'write' | 'zeroes' | 'discard',
    durable: boolean,
  ): Promise<void> {
    const filling = FILLINGS[kind]
    const write = this.#oracle.writing(
      this.#device,
      sector * this.#units,
      sectors * this.#units,
      filling,
    )
    try {
      if (kind === 'write') {
        const bytes = this.#oracle.bytesOf(write)
        await this.#device.write(sector, this.#cut(bytes), { durable })
      } else if (kind === 'zeroes') {
        await this.#device.writeZeroes(sector, sectors, { durable })
      } else {
        await this.#device.discard(sector, sectors)
      }
    } catch (error) {
      this.#oracle.failed(write)
      throw error
    }
    this.#oracle.wrote(write, durable && kind !== 'discard')
  }

  /** In one buffer, or in two. */
  #cut(bytes: Uint8Array): readonly Uint8Array[] {
    const at = this.#random.below(bytes.length / this.#sectorSize) * this.#sectorSize
    return at === 0 ? [bytes] : [bytes.subarray(0, at), bytes.subarray(at)]
  }

  /** Units in a sector. */
  get #units(): number {
    return this.#sectorSize / UNIT_BYTES
  }
}

const FILLINGS = {
  write: 'pattern',
  zeroes: 'zeroes',
  discard: 'undefined',
} as const satisfies Record<string, Filling>
