import { isBlockError } from '../errors.ts'
import type { Producer, PushManyResult } from '../ring/types.ts'
import type { SimDevice } from './device.ts'
import { ITEM_MIN_BYTES, Violation } from './oracle.ts'
import type { ProducerStep, Size } from './plan.ts'
import { Place, type SimProcess } from './process.ts'
import type { Actor, Simulation } from './simulation.ts'

/** A handle, and what it pushed that is not visible yet. */
export interface ProducerHandle {
  readonly process: SimProcess
  readonly producer: Producer
  readonly session: number
  pushed: { readonly item: Uint8Array; readonly position: bigint }[]
}

/** Pause after a full or suspended ring, in milliseconds. */
const PAUSE_MS = 4

/** Does the producer's steps. */
export class ProducerActor implements Actor {
  readonly place: Place = new Place('producer')
  readonly #simulation: Simulation
  #at = 0
  #process: SimProcess | undefined
  #device: SimDevice | undefined
  #handle: ProducerHandle | undefined
  #older: ProducerHandle | undefined

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  async live(process: SimProcess): Promise<void> {
    this.enter(process)
    const { producer: steps } = this.#simulation.plan
    for (let step = steps[this.#at++]; step !== undefined; step = steps[this.#at++]) {
      this.#simulation.step(this, step.id, describe(step))
      await this.perform(step)
    }
  }

  /** Whether it has a process. */
  get alive(): boolean {
    return this.#process?.alive === true
  }

  died(): void {
    for (const handle of [this.#handle, this.#older]) {
      if (handle !== undefined) this.#simulation.oracle.producerEnded(handle.session)
    }
    this.#handle = undefined
    this.#older = undefined
    this.#process = undefined
    this.#device = undefined
  }

  /** The handle, attached if there is none; `undefined` if the ring is suspended or attaching failed. */
  async attached(): Promise<ProducerHandle | undefined> {
    if (this.#handle !== undefined) return this.#handle
    const { ring, oracle } = this.#simulation
    const process = this.#process as SimProcess
    try {
      const result = await this.#simulation.bounded('attaching the producer', process, () =>
        ring.attachProducer(this.#device as SimDevice, {
          clock: process.clock,
          queue: 'sim',
          client: 'producer',
        }),
      )
      if (result.status === 'suspended') {
        this.#checkSuspended(true)
        await process.clock.sleep(PAUSE_MS)
        return undefined
      }
      const session = oracle.producerSession(result.producer.position)
      this.#handle = { process, producer: result.producer, session, pushed: [] }
      return this.#handle
    } catch (error) {
      this.#simulation.judge('attaching the producer', error)
      await process.clock.sleep(PAUSE_MS)
      return undefined
    }
  }

  /** Pushes and advances. Answers whether all of it was. */
  async append(handle: ProducerHandle, sizes: readonly Size[]): Promise<boolean> {
    return this.#push(handle, sizes, (items) => handle.producer.append(items), true)
  }

  /** Gives the handle back. */
  async detach(): Promise<void> {
    await this.#drop(this.#handle)
    this.#handle = undefined
  }

  /** A new process takes over from this one, which ends as it should. */
  async restart(): Promise<void> {
    await this.#drop(this.#older)
    this.#older = undefined
    await this.detach()
    await this.#device?.disconnect()
    if (this.#process !== undefined) this.#simulation.exit(this, this.#process)
    this.enter(this.#simulation.start(this))
  }

  /** Does one step. */
  async perform(step: ProducerStep): Promise<void> {
    const process = this.#process as SimProcess
    if (step.kind === 'wait') return process.clock.sleep(step.ms)
    if (step.kind === 'reattach') return this.detach()
    if (step.kind === 'restart') return this.restart()
    if (step.kind === 'zombie') return this.#useOlder(step.sizes)
    const handle = await this.attached()
    if (handle === undefined) return
    if (step.kind === 'second') return this.#second(handle)
    try {
      if (step.kind === 'append') await this.append(handle, step.sizes)
      else if (step.kind === 'push') await this.#push(handle, step.sizes)
      else if (step.kind === 'advance') await this.#advance(handle, step.part)
      else this.#checkSuspended((await handle.producer.state()) === 'suspended')
    } catch (error) {
      if (this.#simulation.judge(`${this.place.role} ${step.kind}`, error)) {
        await this.detach()
      }
    }
  }

  /** From now on, it does things in this process. */
  enter(process: SimProcess): void {
    this.#process = process
    this.#device = this.#simulation.open(process)
  }

  async #push(
    handle: ProducerHandle,
    sizes: readonly Size[],
    how: (items: readonly Uint8Array[]) => Promise<PushManyResult> = (items) =>
      handle.producer.pushMany(items),
    advances = false,
  ): Promise<boolean> {
    const { oracle, world } = this.#simulation
    const { maxItemBytes } = handle.producer
    const bytes = sizes.map((size) => (size < 1.01 ? Math.floor(size * maxItemBytes) : size))
    const items = oracle.pushing(
      handle.session,
      bytes.map((size) => Math.min(size, maxItemBytes)),
    )
    const last = items.at(-1) as Uint8Array
    const paused = this.#simulation.consumer.pause
    const advancing = advances ? oracle.advancing(handle.session, last) : []
    let result: PushManyResult
    try {
      result = await how(items)
    } catch (error) {
      oracle.pushFailed(items)
      throw error
    }
    const positions = result.status === 'ok' ? result.positions : []
    if (positions.length === 0) oracle.notAdvanced(advancing)
    oracle.pushed(items, positions)
    world.trace(
      () => `producer pushed ${positions.length} of ${items.map(oracle.describe).join(', ')}`,
    )
    positions.forEach((position, index) => {
      handle.pushed.push({ item: items[index] as Uint8Array, position })
    })
    if (advances && positions.length > 0) {
      oracle.advanced(handle.session, items[positions.length - 1] as Uint8Array)
      handle.pushed = []
    }
    if (result.status === 'ok') {
      this.#checkNotPaused(paused)
      return positions.length === items.length
    }
    this.#checkSuspended(result.status === 'suspended')
    await handle.process.clock.sleep(PAUSE_MS)
    return false
  }

  async #advance(handle: ProducerHandle, part: number): Promise<boolean> {
    const { oracle, world } = this.#simulation
    const count = Math.ceil(handle.pushed.length * part)
    const last = handle.pushed[count - 1]
    if (last === undefined) return true
    oracle.advancing(handle.session, last.item)
    await handle.producer.advance(last.position as never)
    oracle.advanced(handle.session, last.item)
    world.trace(() => `producer advanced past ${oracle.describe(last.item)}`)
    handle.pushed.splice(0, count)
    return true
  }

  /** Attaches a second handle, in a process of its own, and keeps the first; or sees that it is refused. */
  async #second(handle: ProducerHandle): Promise<void> {
    const { ring } = this.#simulation
    if (this.#older !== undefined) return
    await this.#simulation.quiet(this, handle.process.clock)
    const process = this.#simulation.start(this)
    const device = this.#simulation.open(process)
    this.#simulation.world.count('secondHandle')
    if (!device.capabilities.claim) {
      this.#older = handle
      this.#handle = undefined
      this.#process = process
      this.#device = device
      if (!(await this.#takesOver())) {
        this.#older = undefined
        await this.#drop(handle)
      }
      return
    }
    try {
      await ring.attachProducer(device, { clock: process.clock })
      throw new Violation('claim', 'a second producer was attached although the role is claimed')
    } catch (error) {
      if (!isBlockError(error) || error.code !== 'BLOCK_CLAIMED') throw error
    }
    this.#simulation.exit(this, process)
  }

  /** Attaches, and does what ends the older handle. Answers whether it did. */
  async #takesOver(): Promise<boolean> {
    const handle = await this.attached()
    if (handle === undefined) return false
    if (this.#simulation.promises.attachTakesOver) return true
    try {
      return await this.append(handle, [ITEM_MIN_BYTES])
    } catch (error) {
      if (this.#simulation.judge('a second producer', error)) await this.detach()
      return false
    }
  }

  async #useOlder(sizes: readonly Size[]): Promise<void> {
    const older = this.#older
    if (older === undefined) return
    await this.#simulation.quiet(this, older.process.clock)
    try {
      await this.append(older, sizes)
    } catch (error) {
      if (!this.#simulation.judge('an older producer', error)) return
      this.#older = undefined
      await this.#drop(older)
    }
    // The newer handle finds out when it looks, which it does after so long.
    await this.#simulation.quiet(this, older.process.clock)
  }

  async #drop(handle: ProducerHandle | undefined): Promise<void> {
    if (handle === undefined) return
    await handle.producer.detach()
    this.#simulation.oracle.producerEnded(handle.session)
  }

  #checkSuspended(suspended: boolean): void {
    const { consumer, promises } = this.#simulation
    if (suspended && consumer.neverSuspended && promises.lossless) {
      throw new Violation('pause', 'the producer says that the ring is suspended, but nobody asked')
    }
  }

  #checkNotPaused(before: number): void {
    const { consumer, promises } = this.#simulation
    if (promises.lossless && before > 0 && consumer.pause === before) {
      throw new Violation('pause', 'items were pushed although a pause was granted')
    }
  }
}

function describe(step: ProducerStep): string {
  if ('sizes' in step) return `${step.kind} ${step.sizes.join(', ')}`
  if ('part' in step) return `${step.kind} ${step.part}`
  if ('ms' in step) return `${step.kind} ${step.ms} ms`
  return step.kind
}
