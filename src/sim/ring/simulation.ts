import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { isBlockError, isRingError } from '../../errors.ts'
import type { Producer } from '../../ring/types.ts'
import { Lazy } from '../../util/lazy.ts'
import { type Broken, Violation } from '../runs/violation.ts'
import { type DiskCopy, SimDisk } from '../world/disk.ts'
import type { FaultRates } from '../world/faults.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { Scheduler } from '../world/scheduler.ts'
import { type SimCounts, World } from '../world/world.ts'
import type { Actor, ActorContext, Pauses } from './actor.ts'
import { ConsumerActor } from './consumer-actor.ts'
import { finalCheck } from './final-check.ts'
import type { Guarantees, RingUnderTest } from './guarantees.ts'
import type { ObservedSimulation } from './observed-simulation.ts'
import { Oracle } from './oracle.ts'
import { type FaultEvent, faultsOf, type Plan } from './plan.ts'
import { ProducerActor } from './producer-actor.ts'
import { ReaderActor } from './reader-actor.ts'
import type { Storage, StorageContext, StorageKind } from './storage.ts'
import { storageNamed } from './storages.ts'
import { waitingCheck } from './waiting-check.ts'

/** Events of a whole run, if each request takes about one: beyond this it hangs. */
const MAX_EVENTS = 60_000
/** Until a killed role is started again, in milliseconds. */
const RESTART_MS = 15
/** Bytes at the beginning of a write in which bits flip more often. */
const HEAD_BYTES = 96
/** How often a copy of the disk is taken, which a rollback restores. */
const COPY_MS = 20

/** Errors after which a handle stays usable. */
const HARMLESS = ['BLOCK_IO', 'BLOCK_READ_ONLY', 'RING_DAMAGED', 'RING_NO_ROOM']

/** How a simulation ended. */
export interface Outcome {
  readonly plan: Plan
  readonly broken: Broken | undefined
  readonly counts: SimCounts
  /** Names of the request faults that happened. */
  readonly fired: readonly string[]
  /** What happened, in order, if a trace was wanted. */
  readonly trace: readonly string[]
}

/**
 * One run of a plan: two roles go through their steps over one simulated disk, while events of the plan kill processes,
 * cut the power and damage the medium. At the end the faults stop, and the final check drains the ring.
 *
 * - Time, order and faults come from the plan and from random streams that are named by seed, role, step and request:
 *   the same plan always runs the same way, and leaving out one step changes nothing in the streams of the others.
 * - Code under test runs only between events, until nothing can continue without I/O or time; then the next event
 *   happens.
 * - Every guarantee is checked as it can be violated: by the oracle at each delivery, by `judge` for each error, by
 *   bounds on events, requests and allocations. The first violation ends the run.
 */
export class Simulation implements ObservedSimulation {
  readonly plan: Plan
  readonly ring: RingUnderTest
  readonly world: World
  readonly oracle: Oracle
  readonly guarantees: Guarantees
  readonly producer: ProducerActor
  readonly consumer: ConsumerActor
  /** Replaces the consumer until the faults end, if the plan has a reader. */
  readonly #reader: ReaderActor | undefined
  readonly #pauses: Pauses = { granted: 0, neverWanted: true }
  readonly #trace: string[] = []
  readonly #actors: readonly Actor[]
  readonly #hosts: readonly SimHost[]
  readonly #processes = new Map<Actor, Set<SimProcess>>()
  readonly #storage: Storage
  readonly #maxEvents: number
  readonly #events = new Map<string, FaultEvent[]>()
  #copies: DiskCopy[] = []
  readonly #finished = new Set<Actor>()
  #over = false
  #broken: Broken | undefined

  constructor(
    ring: RingUnderTest,
    plan: Plan,
    makeStorage: (context: StorageContext) => Storage,
    traced = false,
  ) {
    this.plan = plan
    this.ring = ring
    const kind = storageNamed(plan.device)
    const disk = new SimDisk(kind.diskOf(plan.shape, plan))
    this.#maxEvents = MAX_EVENTS * kind.eventsPerRequest
    const lines = traced ? this.#trace : undefined
    const { seed, rates } = plan
    this.world = new World(seed, new Scheduler(), disk, rates, new Set(plan.without), lines)
    this.world.onLoss = () => this.#storage.lose()
    this.world.onMisuse = (what) => this.violate(new Violation('misuse', what))
    this.guarantees = guaranteesOver(kind, ring, rates)
    this.#storage = makeStorage({
      world: this.world,
      plan,
      judge: (what, error) => void this.judge(what, error),
      violate: (error) => this.violate(error),
    })
    this.oracle = new Oracle(this.guarantees, ring.itemsUpTo)
    disk.onCacheLost = () => {
      this.oracle.cacheLost()
      this.#storage.cacheLost()
    }
    const first = new SimHost('first host')
    const second = this.world.enabled('otherHost') ? new SimHost('second host') : first
    this.#hosts = [first, second]
    const producing = new RequestNames('producer')
    const consuming = new RequestNames('consumer')
    this.producer = new ProducerActor(
      producing,
      this.#contextOf(producing, () => this.producer),
      plan.producer,
    )
    this.consumer = new ConsumerActor(
      consuming,
      this.#contextOf(consuming, () => this.consumer),
      plan.consumer,
    )
    this.#reader =
      plan.reader &&
      new ReaderActor(
        consuming,
        this.#contextOf(consuming, () => this.#consuming),
        plan.reader,
      )
    this.#actors = [this.producer, this.#consuming]
    for (const event of plan.events) {
      const key = `${event.role}.${event.step}`
      const list = this.#events.get(key)
      if (list === undefined) this.#events.set(key, [event])
      else list.push(event)
    }
  }

  /** The actor that has the consumer's role until the faults end. */
  get #consuming(): ReaderActor | ConsumerActor {
    return this.#reader ?? this.consumer
  }

  /** Runs the plan to its end. */
  async run(): Promise<Outcome> {
    this.attempt(
      this.make().then(() => {
        if (this.world.enabled('rollback')) this.#takeCopies()
        for (const actor of this.#actors) this.#launch(actor)
      }),
    )
    await this.until(() => this.#over)
    return this.outcome()
  }

  /** Runs events until `done`, or until a guarantee is violated. */
  async until(done: () => boolean): Promise<void> {
    const over = (): boolean => this.#broken !== undefined || done()
    const most = this.#maxEvents
    const stop = await this.world.scheduler.run(over, most)
    if (stop === 'done') return
    const why = stop === 'idle' ? 'nothing can ever happen again' : `${most} events passed`
    this.violate(new Violation('hang', `the run does not end: ${why}`))
  }

  /** The result so far. */
  outcome(): Outcome {
    const { scheduler, counts } = this.world
    counts.seeds = 1
    counts.events = scheduler.events
    counts.delivered = this.oracle.delivered
    return {
      plan: this.plan,
      broken: this.#broken,
      counts,
      fired: this.world.fired,
      trace: this.#trace,
    }
  }

  /** A new process of a role, on the role's host. */
  start(actor: Actor): SimProcess {
    const host = this.#hosts[actor === this.producer ? 0 : 1] as SimHost
    const process = new SimProcess(this.world, host, actor.names)
    process.onRequest = (ms) => this.#onRequest(actor, ms)
    const processes = this.#processes.get(actor) ?? new Set()
    this.#processes.set(actor, processes.add(process))
    return process
  }

  /** The ring's device as it is, for a process without faults. */
  observe(process: SimProcess): Promise<BlockDevice> {
    return this.#storage.observe(process)
  }

  /**
   * Judges an error of the ring, or of opening its device.
   * @returns whether the handle has ended
   */
  judge(what: string, error: unknown): boolean {
    if (error instanceof Violation) throw error
    const code = codeOf(error)
    const message = error instanceof Error ? error.message : String(error)
    this.world.trace(() => `${what}: ${code}: ${message}`)
    // A handle that ended says why: it may have ended in the background.
    const why = code === 'RING_POISONED' && error instanceof Error ? codeOf(error.cause) : code
    const allowed = this.guarantees.errors.has(why)
    const { lossless, losses } = this.guarantees
    const damage = losses.damaged && why === 'RING_DAMAGED'
    if (!allowed || (this.world.healed && lossless && !damage)) {
      throw new Violation('error', `${what} throws ${code}: ${message}`)
    }
    return !HARMLESS.includes(code)
  }

  /** Lets the adversary choose items, if there is one, and checks the effect of its earlier ones. */
  #supply(items: readonly Uint8Array[], producer: Producer): void {
    const { supplier } = this.ring
    if (supplier === undefined) return
    const { visible: image } = this.world.disk
    supplier.check(image, this.world.enabled('rot'))
    const random = Random.of(this.plan.seed, nameOf('supplier'), this.oracle.items)
    supplier.plant(items, { image, shape: this.plan.shape, producer }, random)
  }

  #contextOf(names: RequestNames, own: () => Actor): ActorContext {
    return {
      ring: this.ring,
      guarantees: this.guarantees,
      oracle: this.oracle,
      pauses: this.#pauses,
      trace: this.world.trace,
      onDamage: this.plan.onDamage,
      start: () => this.start(own()),
      exit: (process) => {
        process.exit()
        this.#processes.get(own())?.delete(process)
        this.#storage.ended(process, Random.of(this.plan.seed, nameOf('exit')))
      },
      open: (process) => this.#storage.open(process),
      supply: (items, producer) => this.#supply(items, producer),
      step: (id, what) => this.step(names, id, what),
      count: (kind) => this.world.count(kind),
      quiet: (clock) => this.#quiet(own(), clock),
      bounded: (what, process, attach) => this.#bounded(what, process, attach),
      judge: (what, error) => this.judge(what, error),
    }
  }

  async #bounded<T>(what: string, process: SimProcess, attach: () => Promise<T>): Promise<T> {
    const before = process.ringCalls
    try {
      return await attach()
    } finally {
      const made = process.ringCalls - before
      if (made > this.guarantees.attachRequests) {
        this.violate(new Violation('unbounded', `${what} made ${made} requests`))
      }
    }
  }

  async #quiet(actor: Actor, clock: Clock): Promise<void> {
    const processes = [...(this.#processes.get(actor) ?? [])]
    const requests = (): number => processes.reduce((sum, process) => sum + process.requests, 0)
    const busy = (): boolean => processes.some((process) => process.inFlight.size > 0)
    for (let before = -1; before !== requests() || busy(); ) {
      before = requests()
      await clock.sleep(this.guarantees.quietMs)
    }
  }

  /** Ends the run: a guarantee is violated. */
  violate(error: unknown): void {
    if (this.#broken !== undefined) return
    const kind = error instanceof Violation ? error.kind : 'exception'
    const message = error instanceof Error ? `${error.message}` : String(error)
    this.#broken = { kind, message }
    this.world.trace(() => `VIOLATION (${kind}): ${message}`)
  }

  /** A step of the workload begins. */
  step(names: RequestNames, id: number, what: string): void {
    this.world.counts.steps++
    names.enter(id)
    this.world.trace(() => `${names.role} step ${id}: ${what}`)
  }

  /** Does something that may violate a guarantee. */
  attempt(task: Promise<void>): void {
    task.catch((error) => this.violate(error))
  }

  /** Stops all faults: the end of the run. */
  heal(): void {
    this.world.healed = true
    this.#storage.heal()
    this.world.trace(() => 'the end: no more faults')
  }

  /** Makes the ring, without faults. */
  async make(): Promise<void> {
    const process = new SimProcess(this.world, new SimHost('maker'), new RequestNames('maker'))
    this.world.healed = true
    const { device, close } = await this.#storage.open(process)
    const { shape, usedBefore, seed } = this.plan
    if (usedBefore) {
      await this.ring.use?.(device, shape, process.clock, Random.of(seed, nameOf('earlier ring')))
    }
    await this.ring.create(device, shape, process.clock)
    await close()
    this.world.healed = false
    this.#storage.ended(process, Random.of(seed, nameOf('exit')))
  }

  #launch(actor: Actor): void {
    this.attempt(
      actor.live(this.start(actor)).then(async () => {
        this.#finished.add(actor)
        if (this.#finished.size < this.#actors.length) return
        this.heal()
        await this.#reader?.leave()
        await finalCheck(this)
        if (this.#reader !== undefined && this.guarantees.lossless) await waitingCheck(this)
        this.#over = true
      }),
    )
  }

  #onRequest(actor: Actor, ms: number): void {
    if (this.world.healed) return
    const { names } = actor
    const events = this.#events.get(`${names.role}.${names.step}`)
    if (events === undefined) return
    for (const event of events) {
      if (event.request !== names.requests - 1) continue
      this.world.scheduler.after(ms * event.part, () => {
        return !this.world.healed && this.#happen(event)
      })
    }
  }

  /** Returns whether it let code under test continue. */
  #happen(event: FaultEvent): boolean {
    const { world } = this
    const random = Random.of(this.plan.seed, nameOf('event'), event.id)
    world.count(event.kind)
    world.trace(() => `FAULT ${event.kind}`)
    switch (event.kind) {
      case 'killProducer':
        this.#kill(this.producer, random)
        break
      case 'killConsumer':
        this.#kill(this.#consuming, random)
        break
      case 'killBoth':
        for (const actor of this.#actors) this.#kill(actor, random)
        break
      case 'power':
        this.#power(random)
        break
      case 'reset':
      case 'silentReset':
        this.#reset(random, event.kind === 'reset')
        break
      case 'rot':
        world.disk.rot(this.#rotten(random), random.below(8))
        break
      case 'latent':
        world.disk.spoil(random.below(world.disk.physicalSectors))
        break
      case 'rollback': {
        const copy = this.#copies[random.below(this.#copies.length)]
        if (copy !== undefined) world.disk.rollback(copy)
        break
      }
      default: {
        const [process] =
          this.#processes.get(event.role === 'producer' ? this.producer : this.#consuming) ?? []
        this.#storage.befall(event.kind, process, random)
        return true
      }
    }
    return false
  }

  /** Kills a role's processes; `random` decides the outcome of their requests in flight. */
  kill(actor: Actor, random: Random): void {
    const late = this.world.enabled('lateWrite') && actor === this.producer
    this.#end(actor, (process) => {
      process.kill(random, late)
      this.#storage.ended(process, random)
    })
  }

  /** Ends both roles' processes with the power, before the disk's cache is lost. Returns those that were running. */
  powerOff(random: Random): readonly Actor[] {
    const dead = this.#actors.filter((actor) => (this.#processes.get(actor)?.size ?? 0) > 0)
    for (const actor of dead) this.#end(actor, (process) => process.losePower(random))
    this.#storage.losePower(random)
    for (const host of this.#hosts) host.pages.clear()
    return dead
  }

  #kill(actor: Actor, random: Random): void {
    this.kill(actor, random)
    this.#restart(actor, random.float() * RESTART_MS)
  }

  #power(random: Random): void {
    const dead = this.powerOff(random)
    this.world.disk.cut((count) => random.below(count))
    for (const actor of dead) this.#restart(actor, random.float() * RESTART_MS)
  }

  /** A byte that rots: every other time in the header of a recent write. */
  #rotten(random: Random): number {
    const { disk } = this.world
    return random.chance(0.5)
      ? random.below(disk.visible.length)
      : random.pick(disk.written) + random.below(HEAD_BYTES)
  }

  #reset(random: Random, told: boolean): void {
    const lost = this.world.disk.reset((count) => random.below(count))
    if (lost && told) this.world.onLoss()
  }

  #end(actor: Actor, stop: (process: SimProcess) => void): void {
    const processes = this.#processes.get(actor)
    if (processes === undefined || processes.size === 0) return
    for (const process of processes) stop(process)
    processes.clear()
    this.#finished.delete(actor)
    this.world.counts.crashes++
    actor.died()
  }

  #restart(actor: Actor, ms: number): void {
    this.world.scheduler.after(ms, () => {
      // A role without a process at the end has left.
      if (this.world.healed || (this.#processes.get(actor)?.size ?? 0) > 0) return false
      this.#launch(actor)
      return true
    })
  }

  #takeCopies(): void {
    this.world.scheduler.after(COPY_MS, () => {
      this.#copies = [...this.#copies.slice(-3), this.world.disk.copy()]
      this.#takeCopies()
      return false
    })
  }
}

function codeOf(error: unknown): string {
  if (isBlockError(error) || isRingError(error)) return error.code
  return error instanceof Error ? error.name : typeof error
}

/** What a ring guarantees over a kind of storage, and the errors that this may throw. */
function guaranteesOver(kind: StorageKind, ring: RingUnderTest, rates: FaultRates): Guarantees {
  const faults = faultsOf(rates)
  const guarantees = ring.guarantees(kind.seen(faults))
  return { ...guarantees, errors: new Set([...guarantees.errors, ...kind.errors(faults)]) }
}

/**
 * Runs a plan.
 * @throws {RangeError} there is no such device
 */
export async function simulate(ring: RingUnderTest, plan: Plan, traced = false): Promise<Outcome> {
  const makeStorage = await storageNamed(plan.device).load()
  await Lazy.loadAll()
  return new Simulation(ring, plan, makeStorage, traced).run()
}
