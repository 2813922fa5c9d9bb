import { turn } from '../../block/file/engine/event-loop-slice.ts'
import { History, steadyTime } from '../history.ts'
import type { Snapshot } from '../snapshot.ts'
import type { DeviceAccess } from './access.ts'
import { RingWatch } from './ring-watch.ts'
import { ScratchPool } from './scratch.ts'

/** Looks that run at the same time: more would only wait for threads, and hold memory meanwhile. */
const AT_ONCE = 4
/** The shortest interval at which holders are asked; longer with many rings. */
const LEAST_HOLDERS_MS = 5000
const HOLDERS_MS_EACH = 250

/** A ring that is watched. */
export interface WatchedRing {
  readonly watch: RingWatch
  readonly history: History
  readonly snapshot: Snapshot | undefined
  /** The number of its changes, its time excluded. */
  readonly changes: number
}

/** Looks at several rings, as often as its user asks. */
export class RingWatches implements AsyncDisposable {
  readonly #rings: {
    watch: RingWatch
    history: History
    snapshot: Snapshot | undefined
    changes: number
  }[]
  readonly #onLook: () => void
  #timer: NodeJS.Timeout | undefined
  #intervalMs = 0
  #ended = false

  /** @param onLook called after each look at all rings */
  constructor(devices: readonly string[], access: DeviceAccess, onLook: () => void) {
    this.#onLook = onLook
    const holdersMs = LEAST_HOLDERS_MS + devices.length * HOLDERS_MS_EACH
    const scratch = new ScratchPool()
    this.#rings = devices.map((device) => ({
      watch: new RingWatch(device, access, { holdersMs, scratch }),
      history: new History(),
      snapshot: undefined,
      changes: 0,
    }))
  }

  get rings(): readonly WatchedRing[] {
    return this.#rings
  }

  /** Looks this often from now on, beginning now. */
  async every(intervalMs: number): Promise<void> {
    if (intervalMs === this.#intervalMs) return
    this.#intervalMs = intervalMs
    await this.#tick()
  }

  async #tick(): Promise<void> {
    clearTimeout(this.#timer)
    const began = steadyTime()
    const waiting = this.#rings.values()
    const work = async (): Promise<void> => {
      for (const ring of waiting) {
        const pause = turn()
        if (pause !== undefined) await pause
        const now = ring.watch.lookNow()
        const snapshot = now ?? (await ring.watch.look())
        if (now === undefined && !isAsBefore(snapshot, ring.snapshot)) ring.changes++
        ring.snapshot = snapshot
        const at = steadyTime()
        if (now === undefined || ring.history.isDue(at)) ring.history.add(snapshot, at)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    if (this.#ended) return
    this.#onLook()
    clearTimeout(this.#timer)
    // After a slow look, the next one does not follow immediately.
    const pause = Math.max(this.#intervalMs / 2, this.#intervalMs - (steadyTime() - began))
    this.#timer = setTimeout(() => void this.#tick(), pause)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    clearTimeout(this.#timer)
    await Promise.all(this.#rings.map(({ watch }) => watch[Symbol.asyncDispose]()))
  }
}

/** True if only the time differs: a watch reuses the objects of unchanged parts. */
function isAsBefore(now: Snapshot | undefined, before: Snapshot | undefined): boolean {
  if (now === undefined || before === undefined) return false
  let names = 0
  for (const name in now) {
    names++
    if (name !== 'at' && fieldOf(now, name) !== fieldOf(before, name)) return false
  }
  for (const _ in before) names--
  return names === 0
}

function fieldOf(snapshot: Snapshot, name: string): unknown {
  return (snapshot as unknown as Readonly<Record<string, unknown>>)[name]
}
