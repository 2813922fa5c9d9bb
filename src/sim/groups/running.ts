import type { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import type { ProcessLife } from './oracle.ts'

/** A member or a producer, across the deaths of its processes. */
export interface Actor {
  readonly names: RequestNames
  /** Works in a new process; resolves when it has ended in order. */
  live(process: SimProcess, life: ProcessLife): Promise<void>
  /** Its process is gone. */
  died?(): void
}

/** An actor, and the process that it has now. */
export class Running<A extends Actor = Actor> {
  readonly actor: A
  readonly host: SimHost
  process: SimProcess | undefined
  lives = 0
  life: ProcessLife | undefined
  /** When it last hung. */
  hungAt: number = Number.NEGATIVE_INFINITY
  /** How long it stays away when it has left. */
  awayMs = 0

  constructor(actor: A, host: SimHost) {
    this.actor = actor
    this.host = host
  }
}
