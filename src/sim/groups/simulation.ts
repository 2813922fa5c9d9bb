import type { BlockDevice } from '../../block/device.ts'
import { PartitionBlockDevice } from '../../block/wrap/partition.ts'
import type { Clock } from '../../clock.ts'
import { isBlockError, isRingError } from '../../errors.ts'
import { createPool, openPool } from '../../pool/index.ts'
import { inspectRing, Producer } from '../../ring/access/attach.ts'
import { POOL_START, POOL_UNIT } from '../../ring/format2/disk/directory.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import { Lazy } from '../../util/lazy.ts'
import { SimDevice } from '../device.ts'
import { SimDisk } from '../disk.ts'
import { Violation } from '../oracle.ts'
import { RequestNames, SimHost, SimProcess } from '../process.ts'
import { nameOf, Random } from '../random.ts'
import { Scheduler } from '../scheduler.ts'
import type { Broken } from '../simulation.ts'
import { MAX_ALLOCATION } from '../storage.ts'
import { noCounts, type SimCounts, World } from '../world.ts'
import { Member, type MemberContext } from './member.ts'
import { GroupsOracle, type MemberLife } from './oracle.ts'
import type { GroupEvent, GroupsPlan } from './plan.ts'
import { Pusher } from './pusher.ts'

/** Events of a whole run: beyond this it hangs. */
const MAX_EVENTS = 1_000_000
/** Bytes of a ring. */
const RING_BYTES = POOL_UNIT
const LEASE_MS = 5000
/** How soon somebody else has a dead member's ring, on its machine. */
const MOVED_MS = 1000
/** The same between machines: its lease is watched and taken, and both members look now and then. */
const TAKEN_OVER_MS = 1.25 * LEASE_MS + 2500 + 2500
/** How soon rings are shared fairly once all is calm. */
const FAIR_MS = 5000
/** How long a ring is left alone that failed. */
const RETRY_MS = 5000
/** So much later, no ring moves any more for a while. */
const SETTLED_MS = 2000
const STEADY_MS = 1200
/** How soon everything that was pushed is handled and acknowledged. */
const DONE_MS = 15_000
/** How soon all are there again that are to be. */
const BACK_MS = 20_000
/** How long a host that stood still may be taken for a dead one. */
const SUSPECT_MS = 3 * LEASE_MS

/** What runs of groups did. */
export interface GroupsCounts extends SimCounts {
  /** How often a member took a ring. */
  moves: number
  /** Members that left in order, and those that stood still. */
  leaves: number
  hangs: number
}

export function noGroupsCounts(): GroupsCounts {
  return { ...noCounts(), moves: 0, leaves: 0, hangs: 0 }
}

/** How a run of a group ended. */
export interface GroupsOutcome {
  readonly plan: GroupsPlan
  readonly broken: Broken | undefined
  readonly counts: GroupsCounts
  /** Names of the request faults that happened. */
  readonly fired: readonly string[]
  /** What happened, in order, if a trace was wanted. */
  readonly trace: readonly string[]
}

/** A member, or a producer, and the process that it has now. */
interface Running {
  readonly names: RequestNames
  readonly host: SimHost
  process: SimProcess | undefined
  lives: number
  life: MemberLife | undefined
  /** When it stood still last. */
  hungAt: number
  /** How long it stays away when it has left. */
  awayMs: number
  /** Begins a life in a new process; resolves when that has ended in order. */
  live(process: SimProcess): Promise<void>
  died(): void
}

/** Runs a group whose members come, go, die and stand still. */
export async function simulateGroups(plan: GroupsPlan, traced = false): Promise<GroupsOutcome> {
  await Lazy.loadAll()
  return new GroupsSimulation(plan, traced).run()
}

/** One run of a plan; see `Simulation`, which does the same with the roles of a ring. */
class GroupsSimulation {
  readonly #plan: GroupsPlan
  readonly #world: World
  readonly #oracle: GroupsOracle
  readonly #trace: string[] = []
  readonly #members: readonly (Running & { readonly member: Member })[]
  readonly #producers: readonly (Running & { readonly pusher: Pusher })[]
  /** When something last went wrong, or somebody came or went. */
  #troubledAt = 0
  /** When a request last failed. */
  #failedAt = Number.NEGATIVE_INFINITY
  #leaves = 0
  #hangs = 0
  #isOver = false
  #isLeaving = false
  #broken: Broken | undefined

  constructor(plan: GroupsPlan, traced: boolean) {
    this.#plan = plan
    const { seed, sectorSize, rates, layout, rings, hosts } = plan
    const bytes = (layout === 'pool' ? POOL_START : 0) + rings * RING_BYTES
    const disk = new SimDisk({ sectorSize, sizeSectors: bytes / sectorSize })
    const scheduler = new Scheduler()
    const lines = traced ? this.#trace : undefined
    this.#world = new World(seed, scheduler, disk, rates, new Set(plan.without), lines)
    this.#world.onMisuse = (what) => this.#violate(new Violation('misuse', what))
    this.#oracle = new GroupsOracle(rings, rates.writeError !== undefined)
    const machines = [0, 1].map((number) => new SimHost(`machine ${number}`))
    this.#members = plan.members.map((traits, at) => {
      const names = new RequestNames(`member ${at}`)
      const host = machines[traits.host] as SimHost
      const member = new Member(
        names,
        traits,
        this.#memberContext(() => running),
      )
      const running: Running & { member: Member } = {
        ...{ names, host, member, process: undefined, lives: 0, life: undefined },
        ...{ hungAt: Number.NEGATIVE_INFINITY, awayMs: 0 },
        live: (process) => member.live(process, running.life as MemberLife),
        died: () => member.died(),
      }
      return running
    })
    const far = hosts ? new SimHost('machine of producers') : (machines[0] as SimHost)
    this.#producers = Array.from({ length: plan.producers }, (_, at) => {
      const names = new RequestNames(`producer ${at}`)
      const all = Array.from({ length: rings }, (_, ring) => ring)
      const own = all.filter((ring) => ring % plan.producers === at)
      const pusher = new Pusher(names, {
        ...{ seed, oracle: this.#oracle, keys: plan.keys, pauseMs: plan.pauseMs },
        rings: own,
        open: async (process) => {
          const opened = await this.#open(process)
          return own.map((ring) => opened[ring] as BlockDevice)
        },
      })
      const running: Running & { pusher: Pusher } = {
        ...{ names, host: far, pusher, process: undefined, lives: 0, life: undefined },
        ...{ hungAt: Number.NEGATIVE_INFINITY, awayMs: 0 },
        live: (process) => pusher.live(process, running.lives),
        died: () => undefined,
      }
      return running
    })
  }

  async run(): Promise<GroupsOutcome> {
    const { scheduler } = this.#world
    this.#attempt(
      this.#make().then(() => {
        for (const each of this.#producers) this.#launch(each)
        for (const each of this.#members) {
          const { joinsMs } = each.member.traits
          this.#after(joinsMs, () => this.#launch(each))
        }
        for (const event of this.#plan.events) this.#after(event.atMs, () => this.#meet(event))
        this.#after(this.#plan.troubleMs, () => this.#attempt(this.#check()))
      }),
    )
    const done = (): boolean => this.#broken !== undefined || this.#isOver
    const stop = await scheduler.run(done, MAX_EVENTS)
    if (stop !== 'done') {
      const why = stop === 'idle' ? 'nothing can ever happen again' : `${MAX_EVENTS} events passed`
      this.#violate(new Violation('hang', `the run does not end: ${why}`))
    }
    const counts: GroupsCounts = {
      ...this.#world.counts,
      ...{ seeds: 1, events: scheduler.events, delivered: this.#oracle.handled },
      ...{ moves: this.#oracle.taken, leaves: this.#leaves, hangs: this.#hangs },
    }
    const { fired } = this.#world
    return { plan: this.#plan, broken: this.#broken, counts, fired, trace: this.#trace }
  }

  /** Has something happen later, and code under test continue. */
  #after(ms: number, happen: () => void): void {
    this.#world.scheduler.after(ms, () => {
      happen()
      return true
    })
  }

  #attempt(task: Promise<void>): void {
    task.catch((error) => this.#violate(error))
  }

  /** Makes the rings, without faults. */
  async #make(): Promise<void> {
    const { layout, rings, sectorSize } = this.#plan
    this.#world.healed = true
    const process = this.#outside('maker')
    const { clock } = process
    if (layout === 'pool') {
      const device = this.#view(process)
      await createPool(device, { clock })
      const pool = await openPool(device, { clock })
      for (let ring = 0; ring < rings; ring++) {
        await pool.add(`ring-${ring}`, { sizeBytes: RING_BYTES, blockSize: sectorSize })
      }
    } else {
      for (const ring of await this.#open(process)) {
        await Producer.create(ring, { clock, blockSize: sectorSize })
      }
    }
    process.exit()
    this.#world.healed = false
  }

  #outside(name: string): SimProcess {
    return new SimProcess(this.#world, new SimHost(name), new RequestNames(name))
  }

  #view(process: SimProcess): SimDevice {
    return new SimDevice(process, { claims: true, maxAllocation: MAX_ALLOCATION })
  }

  /** The rings, opened by a process. */
  async #open(process: SimProcess): Promise<readonly BlockDevice[]> {
    const { layout, rings, sectorSize } = this.#plan
    const device = this.#view(process)
    const opened: BlockDevice[] = []
    const pool = layout === 'pool' ? await openPool(device, { clock: process.clock }) : undefined
    const sectors = RING_BYTES / sectorSize
    for (let ring = 0; ring < rings; ring++) {
      const part =
        pool === undefined
          ? PartitionBlockDevice.open(device, { sectorStart: ring * sectors, sectors })
          : pool.open(`ring-${ring}`)
      opened.push(await part)
    }
    return opened
  }

  #memberContext(own: () => Running): MemberContext {
    const { seed, checkMs } = this.#plan
    return {
      ...{ seed, checkMs, oracle: this.#oracle, trace: this.#world.trace },
      open: (process) => this.#open(process),
      lease: (life) => (this.#plan.hosts ? this.#leaseOf(own(), life) : undefined),
      judge: (what, error) => this.#judge(what, error, own()),
      violate: (error) => this.#violate(error),
    }
  }

  /** An error that nothing explains is a broken promise. */
  #judge(what: string, error: unknown, { hungAt }: Running): void {
    const code = isBlockError(error) || isRingError(error) ? error.code : ''
    const { readError, writeError } = this.#plan.rates
    const isInjected = readError !== undefined || writeError !== undefined
    // A ring that moves is given back when its acknowledgements fail for good: those that wait are told that it is closed.
    if (isInjected && ['BLOCK_IO', 'RING_POISONED', 'RING_CLOSED'].includes(code)) {
      this.#failedAt = this.#world.scheduler.now
      this.#troubledAt = this.#failedAt
      return
    }
    const isLate = this.#world.scheduler.now - hungAt < SUSPECT_MS
    if (this.#plan.hosts && isLate && code === 'RING_LEASE_LOST') {
      this.#failedAt = this.#world.scheduler.now
      return
    }
    if (error instanceof Violation) throw error
    throw new Violation('error', `${what}: ${error}`)
  }

  #leaseOf(running: Running, life: MemberLife): LeaseOptions {
    return {
      owner: ownerOf(life),
      timeoutMs: LEASE_MS,
      fence: async ({ owner }) => {
        this.#world.trace(() => `${life.name} fences ${owner}`)
        const { now } = this.#world.scheduler
        const holder = this.#members.find((each) => each.life && ownerOf(each.life) === owner)
        if (holder === undefined) return
        if (holder === running || now - holder.hungAt > SUSPECT_MS) {
          this.#violate(new Violation('fenced', `${life.name} fences ${owner}, which is at work`))
        }
        // A machine that is fenced is started anew.
        this.#end(holder, Random.of(this.#plan.seed, nameOf(`fence of ${owner}`)), 100)
      },
    }
  }

  #launch(running: Running): void {
    running.lives++
    running.names.enter(running.lives)
    const process = new SimProcess(this.#world, running.host, running.names)
    running.process = process
    running.life = { name: `${running.names.role} life ${running.lives}`, ended: false }
    this.#troubledAt = this.#world.scheduler.now
    this.#world.counts.steps++
    this.#world.trace(() => `${running.life?.name} begins`)
    this.#attempt(
      running.live(process).then(
        () => this.#left(running, process),
        (error: unknown) => {
          // A producer whose writer failed is started anew.
          if (!this.#producers.some((each) => each === running)) throw error
          this.#judge(running.names.role, error, running)
          this.#end(running, Random.of(this.#plan.seed, nameOf('failed'), running.lives), 50)
        },
      ),
    )
  }

  #left(running: Running, process: SimProcess): void {
    this.#world.trace(() => `${running.life?.name} has left`)
    process.exit()
    running.process = undefined
    running.died()
    if (running.life !== undefined) this.#oracle.end(running.life)
    if (this.#isLeaving || this.#producers.some((each) => each === running)) return
    this.#after(running.awayMs, () => this.#launch(running))
  }

  /** The time of an event has come. */
  #meet(event: GroupEvent): void {
    const victims = event.kind === 'killProducer' ? this.#producers : this.#members
    const process = victims[event.victim]?.process
    if (!event.amid || process === undefined) {
      this.#happen(event)
      return
    }
    process.onRequest = (ms) => {
      process.onRequest = undefined
      this.#after(ms * event.part, () => this.#happen(event))
    }
  }

  #happen(event: GroupEvent): void {
    const { kind, id, victim, ms } = event
    const world = this.#world
    if (world.healed) return
    const random = Random.of(this.#plan.seed, nameOf('event'), id)
    const member = this.#members[victim]
    world.trace(() => `EVENT ${kind}`)
    this.#troubledAt = world.scheduler.now
    if (kind === 'leave' || kind === 'abandon') {
      if (member?.member.isIn !== true) return
      this.#leaves++
      member.awayMs = ms
      member.member.leave(kind === 'abandon')
    } else if (kind === 'hang') {
      if (member?.process === undefined) return
      this.#hangs++
      member.process.pause(ms)
      member.hungAt = world.scheduler.now + ms
    } else if (kind === 'power') {
      world.count('power')
      for (const each of [...this.#members, ...this.#producers]) {
        this.#end(each, random, ms * random.float(), true)
      }
      world.disk.cut((count) => random.below(count))
    } else if (kind === 'killAll') {
      world.count('killBoth')
      for (const each of this.#members) {
        this.#after(random.float() * MOVED_MS, () => {
          if (!world.healed) this.#end(each, random, ms * random.float())
        })
      }
    } else {
      const hit = kind === 'killProducer' ? this.#producers[victim] : member
      world.count(kind === 'kill' ? 'killConsumer' : 'killProducer')
      if (hit !== undefined) this.#end(hit, random, ms)
    }
  }

  /** Ends a process; there is another one some time later. */
  #end(running: Running, random: Random, awayMs: number, withPower = false): void {
    const { process, life } = running
    if (process === undefined || life === undefined) return
    this.#world.trace(() => `${life.name} dies`)
    if (withPower) process.losePower(random)
    else process.kill(random, false)
    running.process = undefined
    this.#world.counts.crashes++
    this.#troubledAt = this.#world.scheduler.now
    this.#expectTaken(this.#oracle.ringsOf(life))
    this.#oracle.end(life)
    running.died()
    this.#after(awayMs, () => this.#launch(running))
  }

  /** Rings of a member that died are to have another consumer soon, unless something else happens meanwhile. */
  #expectTaken(rings: readonly number[]): void {
    const { now } = this.#world.scheduler
    const withinMs = this.#plan.hosts ? TAKEN_OVER_MS : MOVED_MS
    if (this.#members.every(({ process }) => process === undefined)) return
    this.#after(withinMs, () => {
      if (this.#troubledAt > now || now - this.#failedAt < RETRY_MS) return
      if (this.#members.some(({ hungAt }) => hungAt > now)) return
      for (const ring of rings) {
        if (this.#oracle.rings[ring]?.holder !== undefined) continue
        this.#violate(new Violation('late', `nobody has ring ${ring} ${withinMs} ms after a death`))
      }
    })
  }

  /** Nothing goes wrong any more: what is promised comes true. */
  async #check(): Promise<void> {
    const world = this.#world
    const oracle = this.#oracle
    world.healed = true
    world.trace(() => 'from now on nothing goes wrong')
    const { clock } = this.#outside('checker')
    const isBack = (): boolean =>
      this.#members.every(({ process, member }) => {
        return process !== undefined && process.pausedMs === 0 && member.isIn
      })
    await this.#within(BACK_MS, clock, isBack, () => 'not all members are back')
    const failedMs = this.#failedAt + RETRY_MS - clock.now()
    const leasesMs = this.#plan.hosts ? 2 * TAKEN_OVER_MS : 0
    await clock.sleep(Math.max(0, failedMs))
    const fairMs = FAIR_MS + leasesMs
    await this.#within(
      fairMs,
      clock,
      () => this.#unfair() === undefined,
      () => `${this.#unfair()}`,
    )
    // Who has one more than others is decided once all have seen who is there.
    await clock.sleep(SETTLED_MS)
    const { taken } = oracle
    await clock.sleep(STEADY_MS)
    if (oracle.taken !== taken) throw new Violation('unfair', 'rings move although all is calm')
    // Its seat stays free in the midst of the others.
    this.#isLeaving = true
    const random = Random.of(this.#plan.seed, nameOf('first to leave'))
    random.pick(this.#members).member.leave(false)
    await this.#within(
      fairMs,
      clock,
      () => this.#unfair() === undefined,
      () => `one has left, and ${this.#unfair()}`,
    )
    for (const { pusher } of this.#producers) pusher.stop()
    const isPushed = (): boolean => this.#producers.every(({ process }) => process === undefined)
    await this.#within(DONE_MS, clock, isPushed, () => 'a producer does not end')
    await this.#within(
      DONE_MS,
      clock,
      () => oracle.unfinished.length === 0,
      () => {
        const texts = oracle.unfinished.map(({ text }) => text)
        return `nobody has handled ${texts.slice(0, 5).join()} and ${texts.length} items in all`
      },
    )
    for (const { member } of this.#members) member.leave(false)
    const isEmpty = (): boolean => this.#members.every(({ process }) => process === undefined)
    await this.#within(DONE_MS, clock, isEmpty, () => 'a member does not leave')
    const observer = this.#outside('observer')
    for (const [number, ring] of (await this.#open(observer)).entries()) {
      const { waitingItems } = await inspectRing(ring)
      if (waitingItems !== 0) {
        throw new Violation('unacknowledged', `ring ${number} still has ${waitingItems} items`)
      }
    }
    this.#isOver = true
  }

  /** Waits for something that has to come true. */
  async #within(
    ms: number,
    clock: Clock,
    isTrue: () => boolean,
    otherwise: () => string,
  ): Promise<void> {
    for (const until = clock.now() + ms; !isTrue(); await clock.sleep(20)) {
      if (clock.now() > until) throw new Violation('stuck', `${otherwise()}, ${ms} ms later`)
    }
  }

  /** What is wrong with how the rings are shared: each has a holder, and on one machine each member its share. */
  #unfair(): string | undefined {
    const { rings } = this.#oracle
    for (const { number, holder } of rings) {
      if (holder === undefined) return `nobody has ring ${number}`
    }
    const members = this.#members.filter(({ member }) => member.isIn)
    const held = members.map(({ member }) => member.rings)
    const text = held.join(', ')
    if (held.reduce((sum, own) => sum + own, 0) !== rings.length) {
      return `members say that they have ${text} of ${rings.length} rings`
    }
    for (const machine of [0, 1]) {
      const own = members.filter(({ member }) => member.traits.host === machine)
      const counts = own.map(({ member }) => member.rings)
      const most = Math.ceil(rings.length / own.length)
      const least = this.#plan.hosts ? 0 : Math.floor(rings.length / own.length)
      if (counts.every((count) => count <= most && count >= least)) continue
      return `members have ${text} of ${rings.length} rings`
    }
    return undefined
  }

  #violate(error: unknown): void {
    if (this.#broken !== undefined) return
    const kind = error instanceof Violation ? error.kind : 'exception'
    const message = error instanceof Error ? error.message : String(error)
    this.#broken = { kind, message }
    this.#world.trace(() => `VIOLATION (${kind}): ${message}`)
  }
}

/** A life's name, as a lease has it. */
function ownerOf({ name }: MemberLife): string {
  return name.replaceAll(' ', '-')
}
