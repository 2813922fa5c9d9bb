import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { CreateOptions } from '../../src/ring/types.ts'
import { collect } from '../helpers/collect.ts'
import { decodeItem, encodeItem, Process } from './calls.ts'
import { type Effect, GatedDevice, ReplayDisk } from './disk.ts'
import { describe, follow } from './explorer.ts'
import { type Protocol, type State, seen } from './machine.ts'
import type { Step } from './steps.ts'

/** Maps the units and items of a protocol to a real device. */
export interface Concrete {
  readonly sectorSize: number
  readonly sectors: number
  readonly create: CreateOptions
  /** The sector in which a unit is. */
  sectorOf(unit: number): number
  /** What a call pushes when the next number is this: the item's number, and its length in bytes. */
  item(next: number, call: string): { readonly number: number; readonly bytes: number }
}

/** The production code, driven step by step along a trace of a protocol. */
export class Replay<P, C, U> {
  readonly #protocol: Protocol<P, C, U>
  readonly #concrete: Concrete
  readonly #disk: ReplayDisk
  readonly #roles: { producer?: Process; consumer?: Process } = {}
  readonly #trace: Step[] = []
  #state: State<P, C, U>

  private constructor(protocol: Protocol<P, C, U>, concrete: Concrete, start: State<P, C, U>) {
    this.#protocol = protocol
    this.#concrete = concrete
    this.#disk = new ReplayDisk(concrete.sectorSize, concrete.sectors)
    this.#state = start
  }

  /** Begins with an empty ring, which the protocol has to be in as well. */
  static async begin<P, C, U>(
    protocol: Protocol<P, C, U>,
    concrete: Concrete,
    start: State<P, C, U>,
  ): Promise<Replay<P, C, U>> {
    const replay = new Replay(protocol, concrete, start)
    await Producer.create(new GatedDevice(replay.#disk, true), concrete.create)
    return replay
  }

  get state(): State<P, C, U> {
    return this.#state
  }

  /** How many steps were done. */
  get steps(): number {
    return this.#trace.length
  }

  /** Sets how often rare things may happen from now on. */
  allow(left: State<P, C, U>['left']): void {
    this.#state = { ...this.#state, left }
  }

  /**
   * Does one step, in the protocol and for real.
   * @throws {Error} they differ; it has the trace
   */
  async step(step: Step): Promise<void> {
    const before = this.#state
    this.#trace.push(step)
    try {
      this.#state = follow(this.#protocol, before, step).state
      await this.#do(step, before)
      await new Promise((resolve) => setImmediate(resolve))
      if (step.actor !== 'power') this.#compare(step.actor, step)
      await this.#compareRing()
    } catch (error) {
      throw new Error(`the ring does not follow its protocol:\n${describe(this.#trace)}`, {
        cause: error,
      })
    }
  }

  async #do({ actor, does, kept = [] }: Step, { history }: State<P, C, U>): Promise<void> {
    if (actor === 'power') {
      for (const [unit, version] of kept.entries()) {
        this.#disk.keep(this.#concrete.sectorOf(unit), version)
      }
      delete this.#roles.producer
      delete this.#roles.consumer
    } else if (does === 'kill') {
      delete this.#roles[actor]
    } else if (['see', 'settle', 'write', 'flush'].includes(does)) {
      this.#effect(this.#roles[actor]?.device.waiting, does)
    } else {
      if (does === 'attach') this.#roles[actor] = new Process(this.#disk)
      const { number, bytes } = this.#concrete.item(history.next, does)
      await this.#roles[actor]?.begin(actor, does, encodeItem(number, bytes))
    }
  }

  #effect(effect: Effect | undefined, does: string): void {
    if (effect === undefined) throw new Error(`there is nothing to ${does}`)
    if (does === 'flush') this.#disk.flush()
    for (const { sector, bytes } of effect.sectors) {
      if (does !== 'settle') this.#disk.see(sector, bytes)
      if (does !== 'see') this.#disk.settle(sector, bytes)
    }
    if (does !== 'see' || !effect.durable) effect.end()
  }

  /** Either both have answered, and the same; or both wait for the same effect. */
  #compare(actor: 'producer' | 'consumer', { does, answer }: Step): void {
    const process = this.#roles[actor]
    const running = this.#state[actor]
    if (running === undefined) delete this.#roles[actor]
    if (process === undefined) return
    if (process.failure !== undefined) throw process.failure
    const { pending, call } = running ?? {}
    const sectors = (pending?.kind === 'write' ? pending.units : []).map(({ at }) =>
      this.#concrete.sectorOf(at),
    )
    const wanted = pending === undefined ? 'nothing' : `${pending.kind} ${sectors.sort(ascending)}`
    const found = shown(process.device.waiting)
    if (found !== wanted) throw new Error(`the ${actor} waits for ${found}, not for ${wanted}`)
    if (does === 'idle' || call === 'idle' || process.idling) return
    const real = JSON.stringify(process.answer)
    const expected = JSON.stringify(answer)
    if (real !== expected) throw new Error(`the ${actor} answers ${real}, not ${expected}`)
  }

  /** What a third party sees. */
  async #compareRing(): Promise<void> {
    const ring = await inspectRing(new GatedDevice(this.#disk, true))
    const view = seen(this.#state.medium)
    const waiting = this.#protocol.waiting(view)
    const items = (await collect(ring.items())).map(({ item }) => decodeItem(item))
    if (`${items}` !== `${waiting}`) throw new Error(`[${items}] waits, not [${waiting}]`)
    if (ring.waitingItems !== undefined && ring.waitingItems !== items.length) {
      throw new Error(`the depth is said to be ${ring.waitingItems}, not ${items.length}`)
    }
    if (ring.consumer.suspend !== this.#protocol.suspendRequest(view))
      throw new Error('the suspend request differs')
  }
}

function shown(effect: Effect | undefined): string {
  if (effect === undefined) return 'nothing'
  return `${effect.kind} ${effect.sectors.map(({ sector }) => sector).sort(ascending)}`
}

function ascending(left: number, right: number): number {
  return left - right
}
