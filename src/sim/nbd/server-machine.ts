import { COMMAND } from '../../block/nbd/protocol.ts'
import type { Caller, Link, Network, Socket } from '../net/network.ts'
import { Violation } from '../runs/violation.ts'
import { SimHost } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import type { World } from '../world/world.ts'
import { type Asker, DiskServer, ERRNO } from './disk-server.ts'
import type { CallLedger } from './ledger.ts'
import type { NbdRequest } from './request-reader.ts'
import { NbdSession, type ServerTraits } from './session.ts'

/** Until a server is running again, in milliseconds at most. */
const RESTART_MS = 60
/** Until an event that waited for a request happens, in milliseconds at most. */
const SOON_MS = 0.1

/** Commands that a server refuses while its storage refuses writes. */
const CHANGES: ReadonlySet<number> = new Set([COMMAND.write, COMMAND.writeZeroes, COMMAND.trim])

/** How a server ends: its process does, or its machine is without power. */
export type ServerEnd = 'serverKill' | 'serverCut'

/** A process that uses the server. */
export interface Client extends Caller {
  readonly ledger: CallLedger
  /** The client of one more connection. */
  asker(): Asker
  /** A complete request has arrived. Returns an error of the protocol to refuse it, or 0. */
  arrived(request: NbdRequest): number
}

/** What a server machine is part of, and what it is like. */
export interface ServerMachineOptions {
  readonly world: World
  readonly network: Network<Client>
  readonly address: string
  readonly traits: ServerTraits
  /** True if requests that were sent take effect even if their sender is gone. */
  readonly late: boolean
  /** A guarantee is violated. */
  readonly violate: (error: unknown) => void
}

/** A machine with the world's disk, on which one server runs after the other. */
export class ServerMachine {
  readonly #options: ServerMachineOptions
  readonly #machine = new SimHost('server')
  readonly #askers = new Set<Asker>()
  #server: DiskServer
  /** True if no server is running. */
  #down = false
  /** Connections from before the machine lost its power, which it does not know any more. */
  #severed: Link<Client>[] = []
  /** Failures that wait until a change is half done. */
  #lurking: { readonly end: ServerEnd; readonly random: Random }[] = []
  #sessions = 0

  constructor(options: ServerMachineOptions) {
    this.#options = options
    this.#server = this.#serve()
  }

  /** The disk has lost something: each connection is told by its next flush. */
  lose(): void {
    for (const asker of this.#askers) asker.lost = true
  }

  /** Ends the server now, or as soon as a change is half done. */
  end(end: ServerEnd, random: Random): void {
    if (random.chance(0.7)) this.#lurking.push({ end, random })
    else this.#end(end, random)
  }

  /** Cuts all power, which then returns. */
  losePower(random: Random): void {
    this.#server.losePower(random)
    for (const link of this.#options.network.links) link.sever()
    this.#server = this.#serve()
  }

  /** Keeps a server running from now on. */
  heal(): void {
    this.#lurking = []
    if (this.#down) this.#server = this.#serve()
  }

  #end(end: ServerEnd, random: Random): void {
    const { world, network, address } = this.#options
    world.trace(() => `the server ends: ${end}`)
    if (end === 'serverKill') {
      this.#server.kill(random)
      for (const link of network.links) link.reset('the server has ended')
      network.put(address, {})
    } else {
      this.#server.losePower(random)
      for (const link of network.links) {
        link.sever()
        this.#severed.push(link)
      }
      world.disk.cut((count) => random.below(count))
      network.put(address, { silent: true })
    }
    this.#down = true
    const server = this.#server
    world.scheduler.after(random.float() * RESTART_MS, () => {
      // Another one may have begun already, with the power.
      if (server !== this.#server) return false
      world.trace(() => 'the server is there again')
      this.#server = this.#serve()
      return true
    })
  }

  /** A server begins. */
  #serve(): DiskServer {
    const { world, network, address } = this.#options
    const server = new DiskServer(world, this.#machine)
    this.#down = false
    for (const link of this.#severed) link.reset('the server knows nothing of it')
    this.#severed = []
    network.put(address, { accept: (socket, link) => this.#accept(server, socket, link.caller) })
    return server
  }

  #accept(server: DiskServer, socket: Socket, client: Client): void {
    const { world, traits, late, violate } = this.#options
    const asker = client.asker()
    const random = Random.of(world.seed, nameOf('session'), this.#sessions++)
    this.#askers.add(asker)
    const session: NbdSession = new NbdSession(socket, server, traits, asker, random, {
      arrived: (request) => {
        this.#strike(session, client)
        const refused = world.refuses && CHANGES.has(request.command)
        return refused ? ERRNO.permission : client.arrived(request)
      },
      violated: (why) => violate(new Violation('protocol', `${client.name} sends ${why}`)),
      ended: () => {
        this.#askers.delete(asker)
        if (!late) server.conclude(asker, random)
      },
    })
  }

  /** Runs the failures that wait for a half-done change, if there is one now. */
  #strike(session: NbdSession, { ledger }: Client): void {
    if (!session.between || !(ledger.changing || session.leftBehind)) return
    const lurking = this.#lurking.shift()
    if (lurking === undefined) return
    const server = this.#server
    this.#options.world.scheduler.after(lurking.random.float() * SOON_MS, () => {
      if (server === this.#server) this.#end(lurking.end, lurking.random)
      return true
    })
  }
}
