import type { BlockDevice } from '../../block/device.ts'
import type { Group, GroupOptions, Received } from '../../fan/index.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import type { RingReader } from '../../ring/queue/reader.ts'
import { Violation } from '../runs/violation.ts'
import type { RequestNames, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import type { Trace } from '../world/trace.ts'
import { fan, keyOf, textOf } from './fan.ts'
import type { GroupsOracle, Handling, ProcessLife } from './oracle.ts'
import type { MemberTraits } from './plan.ts'

const PAUSE_MS = 20

/** What a member uses of its run. */
export interface MemberContext {
  readonly seed: number
  readonly oracle: GroupsOracle
  readonly trace: Trace
  readonly checkIntervalMs: number
  /**
   * The group's rings, opened by a process.
   * @throws {BlockError}
   */
  open(process: SimProcess): Promise<readonly BlockDevice[]>
  /** How a life of the member leases rings, if it does. */
  lease(life: ProcessLife): LeaseOptions | undefined
  /**
   * Judges an error.
   * @throws {Violation} nothing explains it
   */
  judge(what: string, error: unknown): void
  /** Reports a violated guarantee; thrown from a callback, it would only end the group. */
  violate(error: unknown): void
}

/** A program that takes part in the group, across the deaths of its processes. */
export class Member {
  readonly names: RequestNames
  readonly traits: MemberTraits
  readonly #context: MemberContext
  #stop = new AbortController()
  /** True if it leaves without acknowledging anything more. */
  #abandons = false
  #group: Group<Uint8Array> | undefined
  #devices: readonly BlockDevice[] = []
  /** Readers of its rings that have not failed. */
  readonly #readers = new Map<number, RingReader>()
  /** Rings whose reader the member closed by itself. */
  readonly #closed = new Set<number>()
  #life: ProcessLife | undefined

  constructor(names: RequestNames, traits: MemberTraits, context: MemberContext) {
    this.names = names
    this.traits = traits
    this.#context = context
  }

  /** The rings that it has, as its group says. */
  get rings(): number {
    return this.#group?.readers.length ?? 0
  }

  /** How many members its group has, as it says. */
  get members(): number {
    return this.#group?.members ?? 0
  }

  /** True if it is in the group and has not been told to leave. */
  get isIn(): boolean {
    return this.#group !== undefined && !this.#stop.signal.aborted
  }

  /** Joins in a new process, and works until it is told to leave. */
  async live(process: SimProcess, life: ProcessLife): Promise<void> {
    this.#stop = new AbortController()
    this.#abandons = false
    this.#life = life
    const group = await this.#join(process, life)
    this.#group = group
    if (this.traits.how === 'process') await this.#process(group, process, life)
    else await this.#receive(group, process, life)
    await group.close()
    this.#group = undefined
    const { oracle } = this.#context
    if (oracle.ringsOf(life).length > 0) {
      throw new Violation('kept', `${life.name} has left with rings ${oracle.ringsOf(life)}`)
    }
    for (const [role, holder] of process.host.claims) {
      if (holder === process) throw new Violation('kept', `${life.name} has left with ${role}`)
    }
  }

  /** Tells it to leave: in order, or abandoning its unacknowledged items. */
  leave(abandons: boolean): void {
    this.#abandons = abandons
    this.#stop.abort()
    // `process` always finishes the items that it has begun.
    if (!abandons || this.traits.how === 'process' || this.#life === undefined) return
    for (const ring of this.#context.oracle.ringsOf(this.#life)) this.#context.oracle.disturb(ring)
    this.#readers.clear()
    void this.#group?.close()
  }

  /** Its process is gone. */
  died(): void {
    this.#group = undefined
    this.#life = undefined
    this.#readers.clear()
    this.#closed.clear()
  }

  async #join(process: SimProcess, life: ProcessLife): Promise<Group<Uint8Array>> {
    const { clock } = process
    const { Group } = fan.value ?? (await fan.load())
    for (;;) {
      try {
        this.#devices = await this.#context.open(process)
        return await Group.open(this.#devices, this.#options(process, life))
      } catch (error) {
        this.#context.judge(`${life.name} joins`, error)
        await clock.sleep(PAUSE_MS)
      }
    }
  }

  #options({ clock }: SimProcess, life: ProcessLife): GroupOptions<Uint8Array> {
    const { oracle, checkIntervalMs, trace } = this.#context
    const lease = this.#context.lease(life)
    return {
      ...{ checkIntervalMs, clock },
      reader: {
        ...{ clock, client: life.name, lazyAck: this.traits.lazyAck },
        ...(lease && { lease }),
      },
      onTaken: (reader) => {
        const ring = this.#ringOf(reader)
        trace(() => `${life.name} has ring ${ring}`)
        this.#readers.set(ring, reader)
        this.#attempt(() => oracle.take(life, ring))
      },
      onReleased: (device) => {
        const ring = this.#devices.indexOf(device)
        trace(() => `${life.name} gives ring ${ring} back`)
        this.#readers.delete(ring)
        if (!this.#closed.delete(ring)) this.#attempt(() => oracle.release(life, ring))
      },
      onFailed: (error, device) => {
        const ring = this.#devices.indexOf(device)
        trace(() => `${life.name}: ring ${ring} fails: ${error}`)
        if (this.#readers.has(ring)) this.#lose(ring)
        this.#attempt(() => this.#context.judge(`ring ${ring} of ${life.name}`, error))
      },
    }
  }

  /** Its unacknowledged items of a ring are delivered again, perhaps to another member. */
  #lose(ring: number): void {
    this.#readers.delete(ring)
    this.#context.oracle.disturb(ring)
  }

  #attempt(act: () => void): void {
    try {
      act()
    } catch (error) {
      this.#context.violate(error)
    }
  }

  #ringOf({ consumer }: RingReader): number {
    return this.#devices.findIndex(({ name }) => name === consumer.device.name)
  }

  async #process(
    group: Group<Uint8Array>,
    { clock }: SimProcess,
    life: ProcessLife,
  ): Promise<void> {
    const { oracle, seed, trace } = this.#context
    const { concurrency } = this.traits
    await group.process(
      async (bytes, job) => {
        const item = textOf(bytes)
        const handling = this.#begin(life, item)
        const random = Random.of(seed, nameOf(item), job.attempt, nameOf(life.name))
        await clock.sleep(durationOf(random))
        const fails = random.chance(0.05)
        if (!fails) oracle.finish(handling)
        trace(() => `${life.name} ${fails ? 'fails at' : 'has done'} ${item}`)
        oracle.letGo(handling)
        if (fails) throw new Error('this attempt fails')
      },
      {
        ...{ concurrency, keyOf, signal: this.#stop.signal, random: () => 0.5 },
        backoff: { firstMs: 10, maxMs: 100 },
      },
    )
  }

  /** Handles items, each key in its order, and acknowledges them in the order in which they are done. */
  async #receive(group: Group<Uint8Array>, process: SimProcess, life: ProcessLife): Promise<void> {
    const { signal } = this.#stop
    const tails = new Map<string, Promise<void>>()
    const all = new Set<Promise<void>>()
    for await (const received of group.entries({ signal })) {
      const key = keyOf(received.entry.item)
      const before = tails.get(key) ?? Promise.resolve()
      const own = before
        .then(() => this.#handle(process, life, received))
        .catch((error: unknown) => this.#context.violate(error))
        .finally(() => all.delete(own))
      tails.set(key, own)
      all.add(own)
      while (all.size >= this.traits.concurrency) await Promise.race(all)
    }
    await Promise.all(all)
  }

  async #handle(
    { clock }: SimProcess,
    life: ProcessLife,
    { entry, reader }: Received<Uint8Array>,
  ): Promise<void> {
    const { oracle, seed, trace } = this.#context
    const ring = this.#ringOf(reader)
    const item = textOf(entry.item)
    const isGone = (): boolean => this.#abandons || this.#readers.get(ring) !== reader
    if (isGone()) return
    const handling = this.#begin(life, item, ring)
    await clock.sleep(durationOf(Random.of(seed, nameOf(item), nameOf(life.name))))
    if (isGone()) return
    oracle.finish(handling)
    trace(() => `${life.name} has done ${item}`)
    try {
      await entry.ack()
    } catch (error) {
      if (isGone()) return
      this.#lose(ring)
      this.#context.judge(`${life.name} acknowledges ${item}`, error)
      // The group opens the ring again, and reports at its next check that this reader was released.
      this.#closed.add(ring)
      await reader.close()
      oracle.release(life, ring)
    }
    oracle.letGo(handling)
  }

  #begin(life: ProcessLife, item: string, ring?: number): Handling {
    this.#context.trace(() => `${life.name} begins ${item}`)
    try {
      return this.#context.oracle.begin(life, item, ring)
    } catch (error) {
      this.#context.violate(error)
      throw error
    }
  }
}

/** How long a handler takes, in milliseconds. */
function durationOf(random: Random): number {
  return random.weighted([
    [6, 0.1],
    [3, 5],
    [2, 30],
    [1, 150],
    [0.1, 600],
  ] as const)
}
