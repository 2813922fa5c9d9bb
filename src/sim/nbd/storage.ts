import type { BlockDevice } from '../../block/device.ts'
import type { NbdBlockDevice } from '../../block/nbd/index.ts'
import { PartitionBlockDevice } from '../../block/wrap/partition.ts'
import { type Link, Network } from '../net/network.ts'
import type { Mount } from '../ring/actor.ts'
import { Neighbour, UNIT_BYTES } from '../ring/neighbour.ts'
import { SectorOracle } from '../ring/sector-oracle.ts'
import type { Storage, StorageContext, StorageKind } from '../ring/storage.ts'
import { MAX_ALLOCATION, SimDevice } from '../world/device.ts'
import type { DeviceFault, FaultKind } from '../world/faults.ts'
import type { SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { CountedDevice } from './counted.ts'
import { dialOver } from './dial.ts'
import type { Asker } from './disk-server.ts'
import { type DiskLayout, layoutOf } from './layout.ts'
import { CallLedger } from './ledger.ts'
import { BREAKS, NBD_MIXES, NBD_SWARM } from './mixes.ts'
import { type NbdTraits, nbdTraitsOf } from './plan.ts'
import { type Client, ServerMachine } from './server-machine.ts'
import { living, ProcessView } from './view.ts'

const URI = 'nbd://store/ring'
const ADDRESS = 'store:10809'

/** About as many requests as a neighbour's largest call takes. */
const NEIGHBOUR_PIECES = 6

/** Processes that reach the disk through an NBD server. */
export const nbdStorage: StorageKind = {
  name: 'nbd',
  mixes: NBD_MIXES,
  swarm: NBD_SWARM,
  // A server that loses its machine loses its cache like a silent reset.
  seen: (faults) => (faults.has('serverCut') ? new Set([...faults, 'reset' as const]) : faults),
  errors: (faults) => errors(faults),
  eventsPerRequest: 12,
  diskOf: (shape) => ({ ...shape, sizeSectors: layoutOf(shape).sectors }),
  load: async () => {
    const { NbdBlockDevice } = await import('../../block/nbd/index.ts')
    return (context) => new NbdStorage(context, NbdBlockDevice.open)
  },
}

function errors(faults: ReadonlySet<FaultKind>): readonly string[] {
  const breaks = BREAKS.some((kind) => faults.has(kind))
  return [
    ...(breaks ? ['BLOCK_LOST', 'BLOCK_TIMEOUT', 'BLOCK_OPEN'] : []),
    ...(faults.has('refuse') ? ['BLOCK_IO'] : []),
  ]
}

/** A process, as the network and the server see it. */
class ProcessClient implements Client {
  readonly process: SimProcess
  readonly ledger: CallLedger

  constructor(process: SimProcess, ledger: CallLedger) {
    this.process = process
    this.ledger = ledger
  }

  get name(): string {
    return this.process.names.role
  }

  get alive(): boolean {
    return this.process.alive
  }

  whenRunning(happen: () => void): void {
    if (this.alive) happen()
  }

  asker(): Asker {
    const { process } = this
    return {
      lost: false,
      next: (seed) => process.names.next(seed),
      onRequest: (ms) => {
        process.requests++
        process.onRequest?.(ms)
      },
    }
  }

  arrived(): number {
    return 0
  }
}

class NbdStorage implements Storage {
  readonly #context: StorageContext
  readonly #connect: typeof NbdBlockDevice.open
  readonly #traits: NbdTraits
  readonly #layout: DiskLayout
  readonly #network: Network<Client>
  readonly #machine: ServerMachine
  /** The oracle of each neighbour, by role. */
  readonly #oracles: ReadonlyMap<string, SectorOracle>
  readonly #clients = new Map<SimProcess, Client[]>()
  #mounts = 0

  constructor(context: StorageContext, connect: typeof NbdBlockDevice.open) {
    const { world, plan, violate } = context
    const { scheduler, seed, trace } = world
    const traits = nbdTraitsOf(seed, world.enabled('slowLink'))
    const late = world.enabled('lateWrite')
    this.#context = context
    this.#connect = connect
    this.#traits = traits
    this.#layout = layoutOf(plan.shape)
    this.#network = new Network({
      scheduler,
      trace,
      traits: traits.link,
      random: (connection) => Random.of(seed, nameOf('link'), connection),
      lateBytes: late,
    })
    this.#machine = new ServerMachine({
      world,
      network: this.#network,
      address: ADDRESS,
      traits: traits.server,
      late,
      violate,
    })
    const units = plan.shape.sectorSize / UNIT_BYTES
    this.#oracles = new Map(
      Object.entries(this.#layout.neighbours).map(([role, { sectors }]) => [
        role,
        new SectorOracle(sectors * units, UNIT_BYTES, late),
      ]),
    )
  }

  async open(process: SimProcess): Promise<Mount> {
    const { world, plan, violate } = this.#context
    const { connections, maxInFlight, durability } = this.#traits
    const { requestTimeoutMs, connectTimeoutMs } = this.#traits
    const { sectorSize } = plan.shape
    const ledger = new CallLedger(violate)
    const client = new ProcessClient(process, ledger)
    this.#clients.set(process, [...(this.#clients.get(process) ?? []), client])
    const number = this.#mounts++
    const jitter = Random.of(world.seed, nameOf('jitter'), number)
    const device = await living(process, () =>
      this.#connect(URI, {
        sectorSize,
        connections,
        maxInFlight,
        durability,
        requestTimeoutMs,
        connectTimeoutMs,
        clock: process.clock,
        random: () => jitter.float(),
        dial: dialOver(this.#network, client, () => ledger.tap()),
      }),
    )
    const claims = !world.enabled('noClaims')
    const view = new ProcessView(device, process, { ledger, sectorSize, claims })
    const part = await PartitionBlockDevice.open(view, this.#layout.ring)
    const ring = new CountedDevice(part, () => process.ringCalls++)
    const neighbour = await this.#neighbour(view, process, number)
    return {
      device: ring,
      get spent() {
        return view.spent
      },
      close: async () => {
        await neighbour?.stop()
        await ring.disconnect()
        await view.disconnect()
      },
    }
  }

  async observe(process: SimProcess): Promise<BlockDevice> {
    const disk = new SimDevice(process, { claims: false, maxAllocation: MAX_ALLOCATION })
    return PartitionBlockDevice.open(disk, this.#layout.ring)
  }

  ended(process: SimProcess): void {
    for (const link of this.#linksOf(process)) link.leave()
    this.#clients.delete(process)
  }

  losePower(random: Random): void {
    this.#machine.losePower(random)
  }

  lose(): void {
    this.#machine.lose()
  }

  cacheLost(): void {
    for (const oracle of this.#oracles.values()) oracle.cacheLost()
  }

  befall(fault: DeviceFault, process: SimProcess | undefined, random: Random): void {
    if (fault === 'refuse') {
      this.#context.world.refuse(random)
      return
    }
    if (fault === 'serverKill' || fault === 'serverCut') {
      this.#machine.end(fault, random)
      return
    }
    const own = process === undefined ? [] : this.#linksOf(process)
    const links = own.length > 0 && random.chance(0.7) ? own : this.#network.links
    if (links.length === 0) return
    if (fault === 'disconnect') random.pick(links).reset('somebody on the way says so')
    else if (fault === 'stall') this.#stall(links, random)
  }

  heal(): void {
    this.#context.world.refuses = false
    this.#network.heal()
    this.#machine.heal()
  }

  #stall(links: readonly Link[], random: Random): void {
    const ms = random.between(5, 1.5 * this.#traits.requestTimeoutMs)
    const which = random.pick(['to', 'from', 'both', 'both'] as const)
    const stalled = random.chance(0.5) ? links : links.slice(0, 1)
    this.#context.world.trace(() => `${stalled.length} connections stall for ${ms} ms: ${which}`)
    for (const link of stalled) link.stall(ms, which)
  }

  async #neighbour(
    view: ProcessView,
    process: SimProcess,
    number: number,
  ): Promise<Neighbour | undefined> {
    const { world, judge, violate } = this.#context
    const { role } = process.names
    const area = this.#layout.neighbours[role]
    const oracle = this.#oracles.get(role)
    if (!this.#traits.neighbours || area === undefined || oracle === undefined) return undefined
    const { maximum, trim } = this.#traits.server
    const hadHealed = world.healed
    const context = {
      spent: () => view.spent,
      // What began before the faults were over may still fail.
      judge: (what: string, error: unknown) => {
        if (hadHealed === world.healed) judge(what, error)
      },
      violate,
    }
    const random = Random.of(world.seed, nameOf('neighbour'), nameOf(role), number)
    return Neighbour.begin(view, context, process, oracle, random, {
      ...area,
      mostBytes: NEIGHBOUR_PIECES * maximum,
      discards: trim,
    })
  }

  #linksOf(process: SimProcess): readonly Link[] {
    const clients = this.#clients.get(process) ?? []
    return this.#network.links.filter(({ caller }) => clients.includes(caller))
  }
}
