import type { LeaseRecord } from '../../src/ring/lease-types.ts'
import type * as ring from '../../src/ring/ring.ts'
import { Random } from '../../src/sim/random.ts'
import { Scheduler } from '../../src/sim/scheduler.ts'
import { Connection } from './connection.ts'
import { Fate, LEASE_SECTOR, type Victim } from './fate.ts'
import { Host } from './host.ts'
import { Oracle } from './oracle.ts'
import { type Plan, TROUBLE_MS } from './plan.ts'

/** The code under test. */
export type Library = Pick<typeof ring, 'Producer' | 'inspectRing'>

/** What came of a run. */
export interface Outcome {
  /** What went wrong; absent if nothing did. */
  readonly broken?: string
  readonly acknowledged: number
  readonly takeovers: number
  readonly lost: number
}

const DEVICE_BYTES = 1 << 20
/** When everything that was late has arrived. */
const CALM_MS = TROUBLE_MS + 150_000
/** How long it may take then until somebody is at work: a holder is waited out, by slow clocks, and taken over from. */
const TAKEOVER_MS = 100_000
const MAX_EVENTS = 300_000
const quick = { usualMs: 0, lateChance: 0, lateMs: 0 }

/** Runs the hosts of a plan until they are at work after all that befell them. */
export async function run(library: Library, plan: Plan): Promise<Outcome> {
  const scheduler = new Scheduler()
  const stream = (...path: number[]): Random => Random.of(plan.seed, ...path)
  const bytes = new Uint8Array(DEVICE_BYTES)
  const oracle = new Oracle()
  const connections: Connection[] = []
  const victims = plan.timeoutsMs.map((_, at): Victim => {
    const host = new Host(`host-${at}`, scheduler, stream(1, at))
    return { host, atWork: false, kill: () => undefined }
  })
  const fate = new Fate(scheduler, victims, plan.mishaps)
  const observer = new Connection('observer', new Host('observer', scheduler, stream(2)), bytes, {
    scheduler,
    random: stream(3),
    speed: quick,
  })
  const calm = (): boolean => scheduler.now >= CALM_MS
  let ended = false

  const fence = async (holder: LeaseRecord, by: Host, random: Random): Promise<void> => {
    await by.sleep(random.below(20_000))
    if (!calm() && random.chance(plan.fenceFails)) throw new Error('the fence failed')
    for (const connection of connections)
      if (connection.owner === holder.owner) connection.fenced = true
    oracle.takeovers++
  }

  /** One process of a host, from its start to its end. */
  const live = async (
    victim: Victim,
    at: number,
    life: number,
    connection: Connection,
  ): Promise<void> => {
    const random = stream(4, at, life)
    const { host } = victim
    const { owner } = connection
    connection.onArrival = (sector) => {
      if (sector === LEASE_SECTOR && !connection.hasSeenRecord) oracle.overwritten = true
    }
    const attached = await library.Producer.attach(connection, {
      clock: host,
      lease: {
        owner,
        timeoutMs: plan.timeoutsMs[at] ?? 0,
        reclaim: plan.reclaim && !plan.sameName,
        ...(plan.fenced
          ? { fence: (holder: LeaseRecord) => fence(holder, host, random) }
          : { unfenced: true }),
      },
    })
    if (attached.status !== 'attached') throw new Error('nobody has suspended the ring')
    const { producer } = attached
    const handle = oracle.attached(host, owner)
    victim.atWork = true
    if (plan.fenced) connection.onArrival = () => oracle.arrived(handle)
    // A fence that takes its time may meet who has reclaimed the role meanwhile, under the same name.
    connection.onRequest = () => {
      if (connection.fenced && !host.frozen && !plan.reclaim)
        oracle.break(`${owner} goes on after it was fenced`)
    }
    try {
      for (let left = random.below(200); left > 0 && !ended; left--) {
        const item = `${owner} ${random.next()}`
        const result = await producer.append([new TextEncoder().encode(item)])
        if (result.status === 'ok') oracle.acknowledged(handle, item)
        await host.sleep(random.below(1500))
      }
    } finally {
      await producer.detach()
      connection.onRequest = () => undefined
    }
  }

  /** A host begins again whenever its process ended. */
  const begin = async (victim: Victim, at: number): Promise<void> => {
    const { host } = victim
    for (let life = 0; !ended; life++) {
      const random = stream(5, at, life)
      const name = plan.sameName ? 'host' : plan.reclaim ? host.name : `${host.name} ${life}`
      const speed = { ...plan.speed }
      const connection = new Connection(name, host, bytes, {
        scheduler,
        random,
        speed: calmed(speed),
        fate,
      })
      connections.push(connection)
      const killed = new Promise<void>((resolve) => {
        victim.kill = () => {
          connection.dead = true
          resolve()
        }
      })
      const work = live(victim, at, life, connection).catch((error: unknown) =>
        oracle.failed(error),
      )
      await Promise.race([work, killed])
      victim.atWork = false
      // Who reclaims relies on that: with a process, its machine ends what it has asked for.
      connection.dropped = plan.reclaim
      await host.sleep(random.below(4000))
    }
  }

  /** Storage that is slow no more, once all is calm. */
  function calmed(speed: Plan['speed']): Plan['speed'] {
    return {
      usualMs: speed.usualMs,
      get lateChance() {
        return scheduler.now >= TROUBLE_MS ? 0 : speed.lateChance
      },
      lateMs: speed.lateMs,
    }
  }

  const created = library.Producer.create(observer, { blockSize: 512 })
  const all = created.then(() => Promise.all(victims.map(begin)))
  all.catch((error: unknown) => oracle.break(String(error)))
  scheduler.after(CALM_MS, () => {
    oracle.expectWork()
    return true
  })
  await scheduler.run(
    () => oracle.broken !== undefined || oracle.isAtWork || scheduler.now > CALM_MS + TAKEOVER_MS,
    MAX_EVENTS,
  )
  if (!oracle.isAtWork) oracle.break('nobody could take over')
  ended = true
  if (oracle.broken === undefined && plan.fenced && !oracle.overwritten) {
    const items = itemsOf(library, observer)
    let found: readonly string[] | undefined
    items.then(
      (all) => {
        found = all
      },
      (error: unknown) => oracle.break(String(error)),
    )
    await scheduler.run(() => found !== undefined || oracle.broken !== undefined, 2 * MAX_EVENTS)
    if (found !== undefined) oracle.compare(found)
  }
  return oracle.outcome
}

async function itemsOf(library: Library, device: Connection): Promise<readonly string[]> {
  const items: string[] = []
  const { items: waiting } = await library.inspectRing(device)
  for await (const { item } of waiting()) items.push(new TextDecoder().decode(item))
  return items
}
