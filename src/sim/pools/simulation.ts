import type { BlockDevice, BlockInfo, WriteOptions } from '../../block/device.ts'
import { ForwardingBlockDevice } from '../../block/wrap/forward.ts'
import type { Clock } from '../../clock.ts'
import { Pool } from '../../pool/index.ts'
import { Producer } from '../../ring/access/attach.ts'
import { breakLease } from '../../ring/access/lease.ts'
import { DIRECTORY_COPIES, POOL_START, POOL_UNIT } from '../../ring/format2/disk/directory.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import { Lazy } from '../../util/lazy.ts'
import { type Broken, Violation } from '../runs/violation.ts'
import { MAX_ALLOCATION, SimDevice } from '../world/device.ts'
import { SimDisk } from '../world/disk.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { Scheduler } from '../world/scheduler.ts'
import { noCounts, type SimCounts, World } from '../world/world.ts'
import { PoolOracle } from './oracle.ts'
import { type PoolEvent, type PoolsPlan, RING_NAMES } from './plan.ts'
import { nameOfRing, Program, type ProgramContext } from './program.ts'

/** Events of a whole run: beyond this it hangs. */
const MAX_EVENTS = 100_000
/** Until a killed program is started again, in milliseconds. */
const RESTART_MS = 15
const LEASE_MS = 5000

/** What runs of pools did. */
export interface PoolsCounts extends SimCounts {
  /** Changes that happened. */
  changes: number
}

export function noPoolsCounts(): PoolsCounts {
  return { ...noCounts(), changes: 0 }
}

/** How a run of pools ended. */
export interface PoolsOutcome {
  readonly plan: PoolsPlan
  readonly broken: Broken | undefined
  readonly counts: PoolsCounts
  /** Names of the request faults that happened. */
  readonly fired: readonly string[]
  /** What happened, in order, if a trace was wanted. */
  readonly trace: readonly string[]
}

/** A program, and the process that it has now. */
interface Running {
  readonly program: Program
  readonly host: SimHost
  process: SimProcess | undefined
  views: SimDevice[]
  lives: number
  /** Which copy of the directory the request writes that it makes now; -1: none. */
  writesCopy: number
}

/** Runs programs that change one pool and use its rings, while processes die, power fails and requests fail. */
export async function simulatePools(plan: PoolsPlan, traced = false): Promise<PoolsOutcome> {
  await Lazy.loadAll()
  return new PoolsSimulation(plan, traced).run()
}

/** One run of a plan; see `Simulation`, which does the same with the roles of a ring. */
export class PoolsSimulation {
  readonly world: World
  readonly oracle: PoolOracle
  readonly #plan: PoolsPlan
  readonly #trace: string[] = []
  readonly #running: readonly Running[]
  readonly #size: { units: number }
  readonly #befallen = new Set<PoolEvent>()
  #over = false
  #finished = 0
  #broken: Broken | undefined

  constructor(plan: PoolsPlan, traced = false) {
    this.#plan = plan
    const { seed, sectorSize, physicalSectorSize, units, grownUnits, rates } = plan
    const sizeSectors = (POOL_START + grownUnits * POOL_UNIT) / sectorSize
    const disk = new SimDisk({ sectorSize, sizeSectors, physicalSectorSize })
    const lines = traced ? this.#trace : undefined
    this.world = new World(seed, new Scheduler(), disk, rates, new Set(plan.without), lines)
    this.world.onMisuse = (what) => this.#violate(new Violation('misuse', what))
    this.world.onLoss = () => {
      for (const { views } of this.#running) for (const view of views) view.lost = true
    }
    this.#size = { units }
    this.oracle = new PoolOracle(POOL_START + units * POOL_UNIT)
    const shared = new SimHost('the host')
    this.#running = plan.programs.map((steps, at) => {
      const names = new RequestNames(`program ${at}`)
      const host = plan.hosts ? new SimHost(`host ${at}`) : shared
      const running: Running = {
        program: new Program(
          names,
          this.#contextOf(names, () => running),
          steps,
        ),
        host,
        process: undefined,
        views: [],
        lives: 0,
        writesCopy: -1,
      }
      return running
    })
  }

  async run(): Promise<PoolsOutcome> {
    this.attempt(
      this.make().then(() => {
        for (const running of this.#running) this.#launch(running)
      }),
    )
    await this.until(() => this.#over)
    return this.outcome()
  }

  /** Runs events until `done`, or until a guarantee is violated. */
  async until(done: () => boolean): Promise<void> {
    const stop = await this.world.scheduler.run(
      () => this.#broken !== undefined || done(),
      MAX_EVENTS,
    )
    if (stop === 'done') return
    const why = stop === 'idle' ? 'nothing can ever happen again' : `${MAX_EVENTS} events passed`
    this.#violate(new Violation('hang', `the run does not end: ${why}`))
  }

  outcome(): PoolsOutcome {
    const counts: PoolsCounts = { ...this.world.counts, changes: this.oracle.changed }
    counts.seeds = 1
    counts.events = this.world.scheduler.events
    const [broken, fired] = [this.#broken, this.world.fired]
    return { plan: this.#plan, broken, counts, fired, trace: this.#trace }
  }

  /** Does something that may violate a guarantee. */
  attempt(task: Promise<void>): void {
    task.catch((error) => this.#violate(error))
  }

  /** Prepares the device, without faults, before the programs begin. */
  async make(): Promise<void> {
    const { usedBefore, hosts, stay, sectorSize } = this.#plan
    this.world.healed = true
    const process = this.#outside('maker')
    const device = this.#deviceOf(process)
    const { clock } = process
    if (usedBefore) await fill(device, clock)
    // Two hosts that create a pool at once cannot be told from one.
    if (hosts || stay > 0) {
      await Pool.create(device, { clock, eraseOther: true })
      this.oracle.isMade = true
      const pool = await Pool.open(device, { clock })
      for (let ring = 0; ring < stay; ring++) {
        const { id, name, bytes } = this.oracle.startWith(`stays-${ring}`, POOL_UNIT)
        await pool.add(name, { sizeBytes: bytes, name: id, blockSize: sectorSize })
      }
    }
    process.exit()
    this.world.healed = false
  }

  /** Runs after the faults: checks that everything that must exist does, and can be used. */
  async check(): Promise<void> {
    this.world.healed = true
    this.world.trace(() => 'the end: no more faults')
    const { oracle } = this
    const process = this.#outside('checker')
    const { clock } = process
    const device = this.#deviceOf(process)
    const names = new RequestNames('checker')
    const last: Running = {
      program: new Program(
        names,
        this.#contextOf(names, () => last),
        [],
      ),
      host: process.host,
      process,
      views: [],
      lives: 0,
      writesCopy: -1,
    }
    const { program } = last
    program.enter(process)
    if (!oracle.isMade) await Pool.create(device, { clock, eraseOther: true })
    const pool = await Pool.open(device, { clock })
    if (this.#plan.hosts) await breakLeases(pool, clock)
    await program.perform({ id: 0, kind: 'list' })
    for (const { name } of (await pool.status()).rings) {
      await using ring = await pool.open(name)
      await program.take(ring)
      await program.push(ring)
      await program.take(ring)
    }
    await program.perform({ id: 0, kind: 'grow' })
    for (let ring = 0; ring < RING_NAMES; ring++) {
      await program.perform({ id: 0, kind: 'remove', ring, discards: true })
    }
    // A ring that takes all the space must fit now.
    await program.perform({
      id: 0,
      kind: 'add',
      ring: 0,
      units: this.#plan.grownUnits - this.#plan.stay,
    })
    await program.perform({ id: 0, kind: 'list' })
    await using ring = await pool.open(nameOfRing(0))
    await program.push(ring)
    await program.take(ring)
  }

  /** A process without faults. */
  #outside(name: string): SimProcess {
    return new SimProcess(this.world, new SimHost(name), new RequestNames(name))
  }

  #deviceOf(process: SimProcess, running?: Running): BlockDevice {
    const view = new SimDevice(process, { claims: true, maxAllocation: MAX_ALLOCATION })
    running?.views.push(view)
    const writes = (copy: number): void => {
      if (running !== undefined) running.writesCopy = copy
    }
    return new PoolDevice(view, this.#size, writes, this.#plan.sectorSize)
  }

  #contextOf(names: RequestNames, own: () => Running): ProgramContext {
    const { plan, world } = { plan: this.#plan, world: this.world }
    return {
      oracle: this.oracle,
      trace: world.trace,
      sectorSize: plan.sectorSize,
      overwrites: plan.usedBefore,
      open: (process) => {
        own().views = []
        return this.#deviceOf(process, own())
      },
      lease: () => (plan.hosts && !world.healed ? this.#leaseOf(own()) : undefined),
      isInjected: (code) => !world.healed && this.#injected.has(code),
      grow: () => {
        this.#size.units = plan.grownUnits
        return POOL_START + plan.grownUnits * POOL_UNIT
      },
      step: (id, what) => {
        world.counts.steps++
        names.enter(id)
        world.trace(() => `${names.role} step ${id}: ${what}`)
      },
    }
  }

  /** Codes of errors that faults of the plan may cause. */
  get #injected(): ReadonlySet<string> {
    const { rates, events } = this.#plan
    const fails = [rates.readError, rates.writeError, rates.flushError].some((rate) => rate)
    const loses = events.some(({ kind }) => kind === 'reset')
    return new Set(fails || loses ? ['BLOCK_IO', 'RING_POISONED'] : [])
  }

  #leaseOf(running: Running): LeaseOptions {
    const ownerOf = ({ host, lives }: Running): string => `${host.name} life ${lives}`
    return {
      owner: ownerOf(running),
      timeoutMs: LEASE_MS,
      fence: async ({ owner }) => {
        const holder = this.#running.find((each) => ownerOf(each) === owner)
        if (holder?.process !== undefined) {
          throw new Violation('fenced', `${running.host.name} fences ${owner}, which is at work`)
        }
        this.world.trace(() => `${running.host.name} fences ${owner}`)
      },
    }
  }

  #launch(running: Running): void {
    running.lives++
    const process = new SimProcess(this.world, running.host, running.program.names)
    process.onRequest = (ms) => this.#onRequest(running, ms)
    running.process = process
    this.attempt(
      running.program.live(process).then(async () => {
        process.exit()
        running.process = undefined
        if (++this.#finished < this.#running.length) return
        await this.check()
        this.#over = true
      }),
    )
  }

  #onRequest(running: Running, ms: number): void {
    if (this.world.healed) return
    const { names } = running.program
    const at = this.#running.indexOf(running)
    for (const event of this.#plan.events) {
      const { program, step, request, amid } = event
      if (program !== at || this.#befallen.has(event)) continue
      const isNow =
        amid === undefined
          ? names.step === step && names.requests - 1 === request
          : names.step >= step && running.writesCopy === amid
      if (!isNow) continue
      // A step is begun again by the next process.
      this.#befallen.add(event)
      this.world.scheduler.after(ms * event.part, () => {
        if (!this.world.healed) this.#happen(event)
        return false
      })
    }
  }

  #happen({ id, kind, program }: PoolEvent): void {
    const { world } = this
    const random = Random.of(this.#plan.seed, nameOf('event'), id)
    world.trace(() => `FAULT ${kind}`)
    if (kind === 'kill') {
      world.count('killProducer')
      const victim = this.#running[program]
      if (victim !== undefined) this.#end(victim, random, (process) => process.kill(random, false))
    } else if (kind === 'power') {
      world.count('power')
      this.powerOff(random)
      world.disk.cut((count) => random.below(count))
    } else {
      world.count('reset')
      if (world.disk.reset((count) => random.below(count))) world.onLoss()
    }
  }

  /** Ends all programs with the power, before the disk's cache is lost. */
  powerOff(random: Random): void {
    for (const each of this.#running)
      this.#end(each, random, (process) => process.losePower(random))
  }

  #end(running: Running, random: Random, stop: (process: SimProcess) => void): void {
    const { process } = running
    if (process === undefined) return
    stop(process)
    running.process = undefined
    running.views = []
    this.world.counts.crashes++
    running.program.died()
    this.world.scheduler.after(random.float() * RESTART_MS, () => {
      if (!this.world.healed) this.#launch(running)
      return !this.world.healed
    })
  }

  #violate(error: unknown): void {
    if (this.#broken !== undefined) return
    const kind = error instanceof Violation ? error.kind : 'exception'
    const message = error instanceof Error ? error.message : String(error)
    this.#broken = { kind, message }
    this.world.trace(() => `VIOLATION (${kind}): ${message}`)
  }
}

/** Breaks all leases, as an operator would after seeing that no host is running. */
async function breakLeases(pool: Pool, clock: Clock): Promise<void> {
  await pool.breakLease()
  for (const { name } of (await pool.status()).rings) {
    const ring = await pool.open(name)
    for (const role of ['producer', 'consumer'] as const) await breakLease(ring, role, { clock })
  }
}

/** Makes a ring of all of a device, and fills it. */
async function fill(device: BlockDevice, clock: Clock): Promise<void> {
  await Producer.create(device, { clock })
  const attached = await Producer.attach(device, { clock })
  if (attached.status !== 'attached') return
  const { producer } = attached
  const item = new Uint8Array(200_000).fill(0xff)
  while ((await producer.append([item])).status === 'ok');
  await producer.close()
}

/** A device that shows only part of the disk until it grows, and reports writes of a pool's directory. */
class PoolDevice extends ForwardingBlockDevice {
  readonly #size: { readonly units: number }
  readonly #writes: (copy: number) => void
  readonly #sectorSize: number

  constructor(
    inner: SimDevice,
    size: { readonly units: number },
    writes: (copy: number) => void,
    sectorSize: number,
  ) {
    super(inner)
    this.#size = size
    this.#writes = writes
    this.#sectorSize = sectorSize
  }

  override async getInfo(): Promise<BlockInfo> {
    const info = await super.getInfo()
    const bytes = POOL_START + this.#size.units * POOL_UNIT
    return { ...info, sizeSectors: bytes / info.sectorSize }
  }

  override async write(
    sectorStart: number,
    buffers: readonly Uint8Array[],
    options?: WriteOptions,
  ): Promise<void> {
    const offset = sectorStart * this.#sectorSize
    this.#writes(DIRECTORY_COPIES.indexOf(offset))
    const written = super.write(sectorStart, buffers, options)
    this.#writes(-1)
    await written
  }
}
