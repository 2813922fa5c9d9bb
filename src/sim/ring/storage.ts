import type { BlockDevice } from '../../block/device.ts'
import { MAX_ALLOCATION, SimDevice } from '../world/device.ts'
import type { DeviceFault, FaultKind, Mix } from '../world/faults.ts'
import { MIXES, SWARM } from '../world/faults.ts'
import type { SimProcess } from '../world/process.ts'
import type { Random } from '../world/random.ts'
import type { World } from '../world/world.ts'
import type { Mount } from './actor.ts'
import type { Shape } from './guarantees.ts'
import type { Plan } from './plan.ts'

/** The part of a run that storage uses. */
export interface StorageContext {
  readonly world: World
  readonly plan: Plan
  /** Judges an error of the device. */
  judge(what: string, error: unknown): void
  /** A guarantee is violated. */
  violate(error: unknown): void
}

/** How processes reach the disk. */
export interface Storage {
  /**
   * Opens the ring's part of the disk in a process.
   * @throws {BlockError}
   */
  open(process: SimProcess): Promise<Mount>
  /** The ring's part of the disk, without anything in between. */
  observe(process: SimProcess): Promise<BlockDevice>
  /** A process has ended, and its system closes what it had open; `random` decides the outcome of its requests. */
  ended(process: SimProcess, random: Random): void
  /** The power of the hosts, and of everything between them and the disk, is gone. */
  losePower(random: Random): void
  /** The disk lost unflushed data, and reports it to every process that has it open. */
  lose(): void
  /** The disk lost unflushed data, silently. */
  cacheLost(): void
  /** Causes a fault that only this kind of storage has; `process` is the one that it hits, if it hits a role. */
  befall(fault: DeviceFault, process: SimProcess | undefined, random: Random): void
  /** Stops all faults between the processes and the disk. */
  heal(): void
}

/** A kind of storage, as `--device` names it. */
export interface StorageKind {
  readonly name: string
  readonly mixes: readonly Mix[]
  /** Mixes that `swarm` draws from. */
  readonly swarm: readonly string[]
  /** The faults that a ring sees when these can happen. */
  seen(faults: ReadonlySet<FaultKind>): ReadonlySet<FaultKind>
  /** Codes of errors that this storage may throw then, besides those of any device. */
  errors(faults: ReadonlySet<FaultKind>): readonly string[]
  /** How many more events a run takes than over the disk itself, at most. */
  readonly eventsPerRequest: number
  /** The disk that holds a ring's disk of this shape. */
  diskOf(shape: Shape, plan: Plan): Shape
  /** Loads what it needs: that may run only in Node. */
  load(): Promise<(context: StorageContext) => Storage>
}

/** The disk itself. */
export const diskStorage: StorageKind = {
  name: 'disk',
  mixes: MIXES,
  swarm: SWARM,
  seen: (faults) => faults,
  errors: (faults) => (faults.has('refuse') ? ['BLOCK_READ_ONLY'] : []),
  eventsPerRequest: 1,
  diskOf: (shape) => shape,
  load: async () => (context) => new DiskStorage(context),
}

/** Processes that have the disk itself open. */
export class DiskStorage implements Storage {
  readonly #context: StorageContext
  readonly #views = new Map<SimProcess, Set<SimDevice>>()

  constructor(context: StorageContext) {
    this.#context = context
  }

  async open(process: SimProcess): Promise<Mount> {
    const device = this.#view(process)
    return { device, spent: false, close: () => device.disconnect() }
  }

  async observe(process: SimProcess): Promise<BlockDevice> {
    return this.#view(process)
  }

  ended(process: SimProcess): void {
    this.#views.delete(process)
  }

  losePower(): void {}

  lose(): void {
    for (const views of this.#views.values()) for (const view of views) view.lost = true
  }

  cacheLost(): void {}

  befall(fault: DeviceFault, _process: SimProcess | undefined, random: Random): void {
    if (fault === 'refuse') this.#context.world.refuse(random)
  }

  heal(): void {
    this.#context.world.refuses = false
  }

  #view(process: SimProcess): SimDevice {
    const claims = !this.#context.world.enabled('noClaims')
    const view = new SimDevice(process, { claims, maxAllocation: MAX_ALLOCATION })
    const views = this.#views.get(process) ?? new Set()
    this.#views.set(process, views.add(view))
    return view
  }
}
