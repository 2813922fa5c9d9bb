import { isBlockError, isRingError } from '../../errors.ts'
import { Producer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { breakLease, readLeases } from '../../ring/access/lease.ts'
import type { LeaseRecord } from '../../ring/lease-types.ts'
import { Lazy } from '../../util/lazy.ts'
import type { Broken } from '../runs/violation.ts'
import { SimDisk } from '../world/disk.ts'
import { Random } from '../world/random.ts'
import { Scheduler } from '../world/scheduler.ts'
import { type Trace, traceTo } from '../world/trace.ts'
import { Connection, type Storage } from './connection.ts'
import type { HostsCounts } from './counts.ts'
import { Fate, LEASE_SECTOR, type Victim } from './fate.ts'
import { FORGER, forge } from './forge.ts'
import { Host } from './host.ts'
import { HostsOracle } from './oracle.ts'
import type { HostsPlan, Speed } from './plan.ts'

/** How a run of hosts ended. */
export interface HostsOutcome {
  readonly plan: HostsPlan
  readonly broken: Broken | undefined
  readonly counts: HostsCounts
  /** What happened, in order, if a trace was wanted. */
  readonly trace: readonly string[]
}

/** Room for everything that a run can push: nobody consumes it. */
const SHAPE = { sectorSize: 512, sizeSectors: 1024 } as const
/** How long it may take then until some host is working: a host with slow clocks waits for a holder, and takes over. */
const TAKEOVER_MS = 100_000
const MAX_EVENTS = 300_000
const QUICK: Speed = { usualMs: 0, lateChance: 0, lateMs: 0 }

/** Runs the hosts of a plan until one is working after all mishaps. */
export async function simulateHosts(plan: HostsPlan, traced = false): Promise<HostsOutcome> {
  await Lazy.loadAll()
  return await new HostsSimulation(plan, traced).run()
}

class HostsSimulation {
  readonly #plan: HostsPlan
  readonly #lines: string[] = []
  readonly #trace: Trace
  readonly #scheduler = new Scheduler()
  readonly #storage: Storage
  readonly #oracle: HostsOracle
  readonly #victims: readonly Victim[]
  readonly #fate: Fate
  /** The storage as it is, without delay. */
  readonly #observer: Connection
  readonly #connections: Connection[] = []
  /** The speed of the storage, which is fast once mishaps have ended. */
  readonly #speed: Speed
  #takeovers = 0
  #ended = false

  constructor(plan: HostsPlan, traced: boolean) {
    this.#plan = plan
    const scheduler = this.#scheduler
    const trace = traceTo(traced ? this.#lines : undefined, scheduler)
    this.#trace = trace
    this.#storage = { disk: new SimDisk(SHAPE), scheduler, trace, requests: 0 }
    this.#oracle = new HostsOracle(trace)
    this.#victims = plan.hosts.map((traits, at) => {
      const host = new Host(`host-${at}`, scheduler, this.#stream(1, at), traits)
      return { host, atWork: false, kill: () => undefined }
    })
    this.#fate = new Fate(scheduler, trace, this.#victims, plan)
    const observer = new Host('observer', scheduler, this.#stream(2))
    const random = this.#stream(3)
    this.#observer = new Connection('observer', observer, this.#storage, { random, speed: QUICK })
    const { troubleMs } = plan
    const { usualMs, lateChance, lateMs } = plan.speed
    this.#speed = {
      usualMs,
      get lateChance() {
        return scheduler.now >= troubleMs ? 0 : lateChance
      },
      lateMs,
    }
  }

  async run(): Promise<HostsOutcome> {
    const oracle = this.#oracle
    const scheduler = this.#scheduler
    const { calmMs, fenced } = this.#plan
    const created = Producer.create(this.#observer, { blockSize: SHAPE.sectorSize })
    const all = created.then(() =>
      Promise.all(this.#victims.map((victim, at) => this.#begin(victim, at))),
    )
    all.catch((error: unknown) => oracle.break('exception', String(error)))
    scheduler.after(calmMs, () => {
      oracle.expectWork()
      if (this.#plan.forgeries !== undefined) void this.#operate()
      return true
    })
    for (const forgery of this.#plan.forgeries ?? []) {
      scheduler.after(forgery.atMs, () => {
        this.#trace(() => `somebody forges a record: ${forgery.what}`)
        if (forge(forgery, this.#storage.disk)) oracle.overwritten = true
        return true
      })
    }
    await scheduler.run(
      () => oracle.broken !== undefined || oracle.isAtWork || scheduler.now > calmMs + TAKEOVER_MS,
      MAX_EVENTS,
    )
    if (!oracle.isAtWork) oracle.break('stuck', 'nobody could take over')
    this.#ended = true
    // Without fences, or without knowing whom to fence, late writes may damage what others have written.
    if (fenced && !oracle.overwritten) await this.#compare()
    const counts = {
      seeds: 1,
      events: scheduler.events,
      requests: this.#storage.requests,
      ...oracle.counts,
      takeovers: this.#takeovers,
      faults: this.#fate.counts,
    }
    return { plan: this.#plan, broken: oracle.broken, counts, trace: this.#lines }
  }

  /** A host starts again whenever its process ended. */
  async #begin(victim: Victim, at: number): Promise<void> {
    const { host } = victim
    const { sameName, reclaim, restartMs, hosts } = this.#plan
    await new Promise<void>((resolve) => {
      this.#scheduler.after(hosts[at]?.beginsMs ?? 0, () => {
        resolve()
        return true
      })
    })
    for (let life = 0; !this.#ended; life++) {
      const random = this.#stream(5, at, life)
      const name = sameName ? 'host' : reclaim ? host.name : `${host.name} ${life}`
      const connection = new Connection(name, host, this.#storage, {
        random,
        speed: this.#speed,
        fate: this.#fate,
      })
      this.#connections.push(connection)
      const killed = new Promise<void>((resolve) => {
        victim.kill = () => {
          connection.dead = true
          resolve()
        }
      })
      const work = this.#live(victim, at, life, connection).catch((error: unknown) =>
        this.#failed(name, error),
      )
      await Promise.race([work, killed])
      victim.atWork = false
      // A host that reclaims its role relies on this: with a process, its machine ends the requests of that process.
      connection.dropped = reclaim
      await host.sleep(random.below(restartMs))
    }
  }

  /** Checks that an error has a type, whatever is on the disk. */
  #failed(owner: string, error: unknown): void {
    this.#oracle.failed(owner, error)
    if (!isRingError(error) && !isBlockError(error)) this.#oracle.break('exception', String(error))
  }

  /** One process of a host, from its start to its end. */
  async #live(victim: Victim, at: number, life: number, connection: Connection): Promise<void> {
    const random = this.#stream(4, at, life)
    const { host } = victim
    const { owner } = connection
    const { fenced, reclaim, sameName, hosts } = this.#plan
    const oracle = this.#oracle
    connection.onArrival = (sector) => {
      if (sector === LEASE_SECTOR && !connection.hasSeenRecord) oracle.overwritten = true
    }
    const fence = (holder: LeaseRecord): Promise<void> => this.#fence(holder, host, random)
    const attached = await Producer.attach(connection, {
      clock: host,
      lease: {
        owner,
        timeoutMs: hosts[at]?.timeoutMs ?? 0,
        reclaim: reclaim && !sameName,
        ...(fenced ? { fence } : { unfenced: true }),
      },
    })
    if (attached.status !== 'attached') throw new Error('nobody has suspended the ring')
    const { producer } = attached
    const handle = oracle.attached(host, owner)
    victim.atWork = true
    if (fenced) connection.onArrival = () => oracle.arrived(handle)
    // A slow fence may hit a host that has reclaimed the role meanwhile, under the same name.
    connection.onRequest = () => {
      oracle.requested(handle)
      if (connection.fenced && !host.frozen && !reclaim) {
        oracle.break('works on', `${owner} goes on after it was fenced`)
      }
    }
    try {
      for (let left = random.below(200); left > 0 && !this.#ended; left--) {
        const item = `${owner} ${random.next()}`
        const result = await producer.append([new TextEncoder().encode(item)])
        if (result.status === 'ok') oracle.acknowledged(handle, item)
        await host.sleep(random.below(1500))
      }
    } catch (error) {
      const isLost = isRingError(error) && error.code === 'RING_LEASE_LOST'
      if (isLost) {
        this.#writesNoMore(connection, 'lost its lease')
        await host.sleep(this.#plan.lingerMs)
      }
      throw error
    } finally {
      await producer.close()
      this.#writesNoMore(connection, 'released the role')
    }
  }

  /** Checks that a process writes nothing from now on, not even a renewal whose read completes only now. */
  #writesNoMore(connection: Connection, since: string): void {
    connection.onRequest = ({ sector, writes }) => {
      if (!writes) return
      this.#oracle.break(
        'works on',
        `${connection.owner} writes sector ${sector} after it ${since}`,
      )
    }
  }

  /** Breaks a lease that none of the hosts can hold, as an operator would after seeing that no host is running. */
  async #operate(): Promise<void> {
    const observer = this.#observer
    const clock = observer.host
    try {
      const { producer } = await readLeases(observer, { clock })
      const isForged = producer.status === 'held' && producer.owner === FORGER
      if (producer.status === 'damaged' || isForged)
        await breakLease(observer, 'producer', { clock })
    } catch (error) {
      this.#oracle.break('exception', String(error))
    }
  }

  async #fence(holder: LeaseRecord, by: Host, random: Random): Promise<void> {
    if (!this.#connections.some(({ owner }) => owner === holder.owner)) {
      this.#oracle.break('stranger', `${by.name} fences ${JSON.stringify(holder.owner)}`)
    }
    const { fenceMs, fenceFails, calmMs } = this.#plan
    await by.sleep(random.below(fenceMs))
    const isCalm = this.#scheduler.now >= calmMs
    if (!isCalm && random.chance(fenceFails)) throw new Error('the fence failed')
    this.#trace(() => `${by.name} fences ${holder.owner}`)
    for (const connection of this.#connections) {
      if (connection.owner === holder.owner) connection.fenced = true
    }
    this.#takeovers++
  }

  /** Compares the disk with what was acknowledged. */
  async #compare(): Promise<void> {
    const oracle = this.#oracle
    let found: readonly string[] | undefined
    itemsOf(this.#observer).then(
      (items) => {
        found = items
      },
      (error: unknown) => oracle.break('exception', String(error)),
    )
    const isOver = (): boolean => found !== undefined || oracle.broken !== undefined
    await this.#scheduler.run(isOver, 2 * MAX_EVENTS)
    if (found !== undefined) oracle.compare(found)
  }

  #stream(...path: readonly number[]): Random {
    return Random.of(this.#plan.seed, ...path)
  }
}

async function itemsOf(device: Connection): Promise<readonly string[]> {
  const items: string[] = []
  const { items: waiting } = await inspectRing(device)
  for await (const { item } of waiting()) items.push(new TextDecoder().decode(item))
  return items
}
