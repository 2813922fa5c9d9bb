import { COMMAND, COMMAND_FLAG } from '../../block/nbd/protocol.ts'
import { type InFlight, RequestNames, type SimHost, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { FlushRequest, ReadRequest, type RequestEnd, WriteRequest } from '../world/request.ts'
import type { World } from '../world/world.ts'
import type { NbdRequest } from './request-reader.ts'

/** Errors of the protocol that a server answers. */
export const ERRNO = { permission: 1, io: 5, invalid: 22, shutdown: 108 } as const

/** The outcome of a request: what was read, or an error. */
export interface Served {
  readonly errno: number
  /** What was read; it is meaningless after an error. */
  readonly data: Uint8Array
}

/** The client: names requests, and is told when the storage lost what was not flushed. */
export interface Asker {
  /** Names the next request, and gives it a stream of its own. */
  next(seed: number): { readonly name: string; readonly random: Random }
  /** Told of each request, with the time that it will take, in milliseconds. */
  onRequest(ms: number): void
  /** The storage lost something: the next flush fails. */
  lost: boolean
}

/** The process of a server, with the disk of the world as its export. */
export class DiskServer {
  readonly #world: World
  readonly #process: SimProcess
  readonly #doing = new Map<Asker, Set<InFlight>>()

  constructor(world: World, host: SimHost) {
    this.#world = world
    this.#process = new SimProcess(world, host, new RequestNames('server'))
  }

  get sizeBytes(): number {
    const { sectorSize, sizeSectors } = this.#world.disk
    return sectorSize * sizeSectors
  }

  /** Carries out a request, unless the server dies first. */
  serve(request: NbdRequest, asker: Asker, end: (served: Served) => void): void {
    const { offset, length } = request
    if (request.command !== COMMAND.flush && offset + length > this.sizeBytes) {
      end({ errno: ERRNO.invalid, data: NOTHING })
      return
    }
    const { name, random } = asker.next(this.#world.seed)
    const data = request.command === COMMAND.read ? new Uint8Array(length) : NOTHING
    const process = this.#process
    this.#world.counts.requests++
    const doing = this.#doing.get(asker) ?? new Set()
    this.#doing.set(asker, doing)
    const made = this.#make(request, name, random, data, asker, (error) => {
      process.inFlight.delete(made)
      doing.delete(made)
      if (!process.alive) return false
      end({ errno: error === undefined ? 0 : ERRNO.io, data })
      return true
    })
    process.inFlight.add(made)
    doing.add(made)
    asker.onRequest(made.ms)
  }

  /** Decides the outcome of a client's requests now: none of them takes effect later. */
  conclude(asker: Asker, random: Random): void {
    for (const request of this.#doing.get(asker) ?? []) {
      request.orphan(random, false)
      this.#process.inFlight.delete(request)
    }
    this.#doing.delete(asker)
  }

  /** Ends the process; each request in progress happened, or did not. */
  kill(random: Random): void {
    this.#process.kill(random, false)
  }

  /** The machine is without power. */
  losePower(random: Random): void {
    this.#process.losePower(random)
  }

  #make(
    request: NbdRequest,
    name: string,
    random: Random,
    data: Uint8Array,
    asker: Asker,
    end: RequestEnd,
  ): ReadRequest | WriteRequest | FlushRequest {
    const world = this.#world
    const process = this.#process
    const { command, offset, length } = request
    const durable = (request.flags & COMMAND_FLAG.fua) !== 0
    const write = (bytes: Uint8Array, isDurable: boolean): WriteRequest =>
      new WriteRequest(world, process, name, random, end, offset, [bytes], isDurable)
    switch (command) {
      case COMMAND.read:
        return new ReadRequest(world, process, name, random, end, offset, [data])
      case COMMAND.write:
        return write(request.data, durable)
      case COMMAND.writeZeroes:
        return write(new Uint8Array(length), durable)
      case COMMAND.trim:
        // What is read afterwards is undefined.
        return write(rubbish(length, Random.of(world.seed, nameOf(name))), false)
      default: {
        const lost = (): boolean => {
          const was = asker.lost
          asker.lost = false
          return was
        }
        return new FlushRequest(world, process, name, random, end, lost)
      }
    }
  }
}

const NOTHING = new Uint8Array(0)

function rubbish(length: number, random: Random): Uint8Array {
  return new Uint8Array(length).fill(random.pick([0, 0xdd]))
}
