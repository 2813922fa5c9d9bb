import type { Clock } from '../../clock.ts'
import { nameOf, Random } from './random.ts'
import type { World } from './world.ts'

/** A request in flight, whose outcome has to be decided if its process dies. */
export interface InFlight {
  /** The process is gone; `random` decides what happened. */
  orphan(random: Random, late: boolean): void
  /** The power is gone: the part of it that may have happened happens now. */
  interrupt(random: Random): void
}

/** Where a role is in its workload: names the requests that it makes. */
export class RequestNames {
  readonly role: string
  readonly #name: number
  #step = 0
  #request = 0

  constructor(role: string) {
    this.role = role
    this.#name = nameOf(role)
  }

  get step(): number {
    return this.#step
  }

  /** How many requests this step made so far. */
  get requests(): number {
    return this.#request
  }

  enter(step: number): void {
    this.#step = step
    this.#request = 0
  }

  /** Names the next request, and gives it a stream of its own. */
  next(seed: number): { readonly name: string; readonly random: Random } {
    const request = this.#request++
    return {
      name: `${this.role}.${this.#step}.${request}`,
      random: Random.of(seed, this.#name, this.#step, request),
    }
  }
}

/** A machine: what its processes share. */
export class SimHost {
  readonly name: string
  /** The process that holds each role on this machine. */
  readonly claims: Map<string, SimProcess> = new Map()
  /** Each physical sector as this machine last read or wrote it. */
  readonly pages: Map<number, Uint8Array> = new Map()

  constructor(name: string) {
    this.name = name
  }
}

/** A process, which may be killed at any moment: then nothing that it awaits ever settles. */
export class SimProcess {
  readonly world: World
  readonly host: SimHost
  readonly names: RequestNames
  readonly clock: Clock
  readonly inFlight: Set<InFlight> = new Set()
  /** Requests made. */
  requests = 0
  /** Calls of the ring's device, without those of a neighbour in the same process. */
  ringCalls = 0
  /** Called with the duration of every request. */
  onRequest: ((ms: number) => void) | undefined
  #alive = true
  #pausedUntil = 0

  constructor(world: World, host: SimHost, names: RequestNames) {
    this.world = world
    this.host = host
    this.names = names
    this.clock = {
      now: () => world.scheduler.now,
      time: () => Math.floor(world.scheduler.now),
      sleep: (ms, signal) => this.#sleep(ms, signal),
    }
  }

  get alive(): boolean {
    return this.#alive
  }

  /** How much longer it is paused, in milliseconds. */
  get pausedMs(): number {
    return Math.max(0, this.#pausedUntil - this.world.scheduler.now)
  }

  /** Pauses it: it keeps its claims, and events for it are delivered when it continues. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.world.scheduler.now + ms)
  }

  /**
   * Runs a function in the process, as soon as it is not paused; never, once it has ended.
   * @returns whether it has happened
   */
  whenRunning(happen: () => void): boolean {
    if (!this.#alive) return false
    const ms = this.pausedMs
    if (ms > 0) this.world.scheduler.after(ms, () => this.whenRunning(happen))
    else happen()
    return ms === 0
  }

  /** Ends the process. Its claims end with it. */
  kill(random: Random, late: boolean): void {
    if (!this.#alive) return
    this.#end()
    for (const request of this.inFlight) request.orphan(random, late)
    this.inFlight.clear()
  }

  /** Ends the process with the power. */
  losePower(random: Random): void {
    if (!this.#alive) return
    this.#end()
    for (const request of this.inFlight) request.interrupt(random)
    this.inFlight.clear()
  }

  /** Ends by itself, with nothing in flight. */
  exit(): void {
    if (this.#alive) this.#end()
  }

  #end(): void {
    this.#alive = false
    for (const [role, holder] of this.host.claims) {
      if (holder === this) this.host.claims.delete(role)
    }
  }

  #sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      signal?.throwIfAborted()
      const aborted = (): void => {
        entry.cancel()
        reject(signal?.reason)
      }
      const entry = this.world.scheduler.after(ms, () =>
        this.whenRunning(() => {
          signal?.removeEventListener('abort', aborted)
          resolve()
        }),
      )
      signal?.addEventListener('abort', aborted, { once: true })
    })
  }
}
