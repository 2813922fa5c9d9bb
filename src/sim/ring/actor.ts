import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import type { Producer } from '../../ring/types.ts'
import type { FaultKind } from '../world/faults.ts'
import type { RequestNames, SimProcess } from '../world/process.ts'
import type { Trace } from '../world/trace.ts'
import type { Guarantees, RingUnderTest } from './guarantees.ts'
import type { Oracle } from './oracle.ts'

/** One role: what it does, and in which process. */
export interface Actor {
  readonly names: RequestNames
  /** Continues its steps in a new process; resolves when they are done. */
  live(process: SimProcess): Promise<void>
  /** The process is gone. */
  died(): void
}

/** A device that a process has opened. */
export interface Mount {
  readonly device: BlockDevice
  /** True if every request fails from now on, until the device is opened again. */
  readonly spent: boolean
  /** Closes the device. */
  close(): Promise<void>
}

/** Suspend requests, as far as the oracle knows. */
export interface Pauses {
  /** Above 0 while a pause is granted: each has its own number. */
  granted: number
  /** No pause has been requested so far. */
  neverWanted: boolean
}

/** The part of a run that actors use: the ring, processes, and the checks. */
export interface ActorContext {
  readonly ring: RingUnderTest
  readonly guarantees: Guarantees
  readonly oracle: Oracle
  readonly pauses: Pauses
  readonly trace: Trace
  /** The consumer's `onDamage`. */
  readonly onDamage: 'stop' | 'skip'
  /** A new process of the actor's role, on the role's host. */
  start(): SimProcess
  /** Ends a process that has nothing in flight. */
  exit(process: SimProcess): void
  /**
   * Opens the device in a process.
   * @throws {BlockError} it cannot be opened now
   */
  open(process: SimProcess): Promise<Mount>
  /** The adversary, if there is one, chooses the content of the items that are about to be pushed. */
  supply(items: readonly Uint8Array[], producer: Producer): void
  /** A step of the workload begins. */
  step(id: number, what: string): void
  /** Records a fault. */
  count(kind: FaultKind): void
  /** Waits until no process of the role has anything left to do, before another handle takes its turn. */
  quiet(clock: Clock): Promise<void>
  /** Checks that attaching takes a bounded number of requests. */
  bounded<T>(what: string, process: SimProcess, attach: () => Promise<T>): Promise<T>
  /**
   * Judges an error of the ring, or of opening its device.
   * @returns whether the handle has ended
   */
  judge(what: string, error: unknown): boolean
}

/** The base of both roles' actors: performs a list of steps, in a process that has opened the device. */
export abstract class RoleActor<Step extends { readonly id: number }> implements Actor {
  readonly names: RequestNames
  protected readonly context: ActorContext
  protected process: SimProcess | undefined
  protected mount: Mount | undefined
  readonly #steps: readonly Step[]
  #at = 0

  constructor(names: RequestNames, context: ActorContext, steps: readonly Step[]) {
    this.names = names
    this.context = context
    this.#steps = steps
  }

  /** Does one step. */
  abstract perform(step: Step): Promise<void>
  /** Closes the handle. */
  abstract detach(): Promise<void>
  protected abstract describe(step: Step): string
  /** An older handle of the role is no longer used. */
  protected abstract dropOlder(): Promise<void>

  async live(process: SimProcess): Promise<void> {
    await this.enter(process)
    for (let step = this.#steps[this.#at++]; step !== undefined; step = this.#steps[this.#at++]) {
      this.context.step(step.id, this.describe(step))
      await this.perform(step)
    }
  }

  /** True if it has a process. */
  get alive(): boolean {
    return this.process?.alive === true
  }

  died(): void {
    this.process = undefined
    this.mount = undefined
  }

  /** Moves the actor to this process. */
  async enter(process: SimProcess): Promise<void> {
    this.process = process
    this.mount = undefined
    try {
      await this.open(process)
    } catch (error) {
      // The next step that needs it tries again.
      this.context.judge('opening the device', error)
    }
  }

  /** Ends the process in order, and continues in a new one. */
  async restart(): Promise<void> {
    await this.dropOlder()
    await this.detach()
    await this.mount?.close()
    if (this.process !== undefined) this.context.exit(this.process)
    await this.enter(this.context.start())
  }

  /** The device; opens it if necessary. */
  protected async open(process: SimProcess): Promise<Mount> {
    this.mount ??= await this.context.open(process)
    return this.mount
  }

  /** Called after a failure has ended a handle: closes the device if every further request would fail. */
  protected async leaveSpent(): Promise<void> {
    const { mount } = this
    if (mount?.spent !== true) return
    this.mount = undefined
    await mount.close()
  }
}
