import type { BlockDevice } from '../../block/device.ts'
import { isBlockError, isRingError } from '../../errors.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import { Lazy } from '../../util/lazy.ts'
import { type Broken, Violation } from '../runs/violation.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { Scheduler } from '../world/scheduler.ts'
import { noCounts, type SimCounts, World } from '../world/world.ts'
import { finalCheck } from './final-check.ts'
import { Member, type MemberContext } from './member.ts'
import { GroupsOracle, type ProcessLife } from './oracle.ts'
import type { GroupEvent, GroupsPlan } from './plan.ts'
import { Pusher } from './pusher.ts'
import { diskFor, GroupRings } from './rings.ts'
import { Running } from './running.ts'
import { LEASE_MS, MOVED_MS, RETRY_MS, SUSPECT_MS, TAKEN_OVER_MS } from './times.ts'

/** Events of a whole run: beyond this it hangs. */
const MAX_EVENTS = 1_000_000
/** What runs of groups did. */
export interface GroupsCounts extends SimCounts {
  /** How often a member took a ring. */
  moves: number
  /** How many members left in order. `hangs` counts those that hung. */
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

/** Runs a group whose members join, leave, die and hang. */
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
  readonly #rings: GroupRings
  readonly #members: readonly Running<Member>[]
  readonly #producers: readonly Running<Pusher>[]
  /** When the last fault happened, or the last member joined or left. */
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
    const { seed, rates, rings, hosts } = plan
    const scheduler = new Scheduler()
    const lines = traced ? this.#trace : undefined
    this.#world = new World(seed, scheduler, diskFor(plan), rates, new Set(plan.without), lines)
    this.#world.onMisuse = (what) => this.#violate(new Violation('misuse', what))
    this.#oracle = new GroupsOracle(rings, rates.writeError !== undefined)
    this.#rings = new GroupRings(plan, this.#world)
    const machines = [0, 1].map((number) => new SimHost(`machine ${number}`))
    this.#members = plan.members.map((traits, at) => {
      const names = new RequestNames(`member ${at}`)
      const host = machines[traits.host] as SimHost
      const context = this.#memberContext(() => running)
      const running = new Running(new Member(names, traits, context), host)
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
          const opened = await this.#rings.open(process)
          return own.map((ring) => opened[ring] as BlockDevice)
        },
      })
      return new Running(pusher, far)
    })
  }

  async run(): Promise<GroupsOutcome> {
    const { scheduler } = this.#world
    this.#attempt(
      this.#rings.make().then(() => {
        for (const each of this.#producers) this.#launch(each)
        for (const each of this.#members) {
          const { joinsMs } = each.actor.traits
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

  /** Schedules something, after which code under test continues. */
  #after(ms: number, happen: () => void): void {
    this.#world.scheduler.after(ms, () => {
      happen()
      return true
    })
  }

  #attempt(task: Promise<void>): void {
    task.catch((error) => this.#violate(error))
  }

  #memberContext(own: () => Running<Member>): MemberContext {
    const { seed, checkIntervalMs } = this.#plan
    return {
      ...{ seed, checkIntervalMs, oracle: this.#oracle, trace: this.#world.trace },
      open: (process) => this.#rings.open(process),
      lease: (life) => (this.#plan.hosts ? this.#leaseOf(own(), life) : undefined),
      judge: (what, error) => this.#judge(what, error, own()),
      violate: (error) => this.#violate(error),
    }
  }

  /** An error that nothing explains is a violated guarantee. */
  #judge(what: string, error: unknown, { hungAt }: Pick<Running, 'hungAt'>): void {
    const code = isBlockError(error) || isRingError(error) ? error.code : ''
    const { readError, writeError } = this.#plan.rates
    const isInjected = readError !== undefined || writeError !== undefined
    // A ring that moves is released once its acknowledgements fail for good: waiting ones reject because it is closed.
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

  #leaseOf(running: Running<Member>, life: ProcessLife): LeaseOptions {
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
        // A machine that was fenced is started again.
        this.#end(holder, Random.of(this.#plan.seed, nameOf(`fence of ${owner}`)), 100)
      },
    }
  }

  #launch(running: Running): void {
    running.lives++
    running.actor.names.enter(running.lives)
    const process = new SimProcess(this.#world, running.host, running.actor.names)
    running.process = process
    const number = running.lives
    const life = { name: `${running.actor.names.role} life ${number}`, number, ended: false }
    running.life = life
    this.#troubledAt = this.#world.scheduler.now
    this.#world.counts.steps++
    this.#world.trace(() => `${life.name} begins`)
    this.#attempt(
      running.actor.live(process, life).then(
        () => this.#left(running, process),
        (error: unknown) => {
          // A producer whose writer failed is started again.
          if (!this.#producers.some((each) => each === running)) throw error
          this.#judge(running.actor.names.role, error, running)
          this.#end(running, Random.of(this.#plan.seed, nameOf('failed'), running.lives), 50)
        },
      ),
    )
  }

  #left(running: Running, process: SimProcess): void {
    this.#world.trace(() => `${running.life?.name} has left`)
    process.exit()
    running.process = undefined
    running.actor.died?.()
    if (running.life !== undefined) this.#oracle.end(running.life)
    if (this.#isLeaving || this.#producers.some((each) => each === running)) return
    this.#after(running.awayMs, () => this.#launch(running))
  }

  /** Runs an event whose time has come. */
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
      if (member?.actor.isIn !== true) return
      this.#leaves++
      member.awayMs = ms
      member.actor.leave(kind === 'abandon')
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

  /** Ends a process, and starts another one some time later. */
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
    running.actor.died?.()
    this.#after(awayMs, () => this.#launch(running))
  }

  /** Expects rings of a member that died to have another consumer soon, unless something else happens meanwhile. */
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

  async #check(): Promise<void> {
    await finalCheck({
      ...{ plan: this.#plan, world: this.#world, oracle: this.#oracle, rings: this.#rings },
      ...{ members: this.#members, producers: this.#producers },
      failedAt: () => this.#failedAt,
      beginLeaving: () => {
        this.#isLeaving = true
      },
      launch: (member) => this.#launch(member),
    })
    this.#isOver = true
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
function ownerOf({ name }: ProcessLife): string {
  return name.replaceAll(' ', '-')
}
