import type { BlockDevice } from '../../block/device.ts'
import { isBlockError, isRingError } from '../../errors.ts'
import { Pool, type PoolRingDevice } from '../../pool/index.ts'
import { Consumer, Producer } from '../../ring/access/attach.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { POOL_START, POOL_UNIT } from '../../ring/format2/disk/directory.ts'
import type { LeaseOptions } from '../../ring/lease-types.ts'
import { Violation } from '../runs/violation.ts'
import type { RequestNames, SimProcess } from '../world/process.ts'
import type { Trace } from '../world/trace.ts'
import {
  type Begun,
  type Change,
  checkItems,
  holdsItems,
  type ModelRing,
  mayHoldItems,
  type PoolModel,
  type PoolOracle,
  REFUSALS,
  type Wanted,
} from './oracle.ts'
import type { PoolStep } from './plan.ts'

/** How often opening a pool is tried, and the pause between. */
const TRIES = 40
const PAUSE_MS = 10
const encoder = new TextEncoder()
const decoder = new TextDecoder()

/** What a program uses of its run. */
export interface ProgramContext {
  readonly oracle: PoolOracle
  readonly trace: Trace
  readonly sectorSize: number
  /** True if the device holds something else before there is a pool. */
  readonly overwrites: boolean
  /** The pool's device, opened by a process. */
  open(process: SimProcess): BlockDevice
  /** How the program leases what it uses, if it does. */
  lease(): LeaseOptions | undefined
  /** True if an error of the device may come of a fault. */
  isInjected(code: string): boolean
  /** Grows the device to its full size, and returns how many bytes a pool has there then. */
  grow(): number
  /** A step begins. */
  step(id: number, what: string): void
}

/** A ring's device that a program keeps open, and the ring that it was opened for. */
interface Kept {
  readonly device: PoolRingDevice
  readonly id: string
}

/** A program that opens a pool, changes it, and uses its rings, across the deaths of its processes. */
export class Program {
  readonly names: RequestNames
  readonly #context: ProgramContext
  readonly #steps: readonly PoolStep[]
  #at = 0
  #process: SimProcess | undefined
  #device: BlockDevice | undefined
  #pool: Pool | undefined
  #kept: Kept | undefined
  #change: Change | undefined
  #uses = false

  constructor(names: RequestNames, context: ProgramContext, steps: readonly PoolStep[]) {
    this.names = names
    this.#context = context
    this.#steps = steps
  }

  /** Continues with its steps, in a new process; resolves when they are done. */
  async live(process: SimProcess): Promise<void> {
    this.enter(process)
    this.#context.step(-1, 'opens the pool')
    await this.#list()
    for (let step = this.#steps[this.#at++]; step !== undefined; step = this.#steps[this.#at++]) {
      this.#context.step(step.id, JSON.stringify(step))
      await this.perform(step)
    }
  }

  /** Moves it to a process. */
  enter(process: SimProcess): void {
    this.#process = process
    this.#device = this.#context.open(process)
  }

  /** Its process is gone. */
  died(): void {
    const { oracle } = this.#context
    if (this.#change !== undefined) oracle.end(this.#change, 'unknown')
    if (this.#uses) oracle.use(-1)
    this.#change = undefined
    this.#uses = false
    this.#process = undefined
    this.#pool = undefined
    this.#kept = undefined
  }

  async perform(step: PoolStep): Promise<void> {
    switch (step.kind) {
      case 'add':
        return this.#add(nameOfRing(step.ring), step.units * POOL_UNIT)
      case 'remove':
        return this.#remove(nameOfRing(step.ring), step.discards)
      case 'put':
      case 'take':
      case 'keep':
        return this.#withRing(nameOfRing(step.ring), async (device) => {
          if (step.kind === 'keep') await this.#keep(device)
          else if (step.kind === 'put') await this.push(device)
          else await this.take(device)
        })
      case 'putKept':
        return this.#putKept()
      case 'list':
        return this.#list()
      case 'grow':
        return this.#grow()
      case 'reopen':
        this.#pool = undefined
        await this.#opened()
        return
      case 'wait':
        return this.#process?.clock.sleep(step.ms)
    }
  }

  /** The pool; opens it if necessary, and creates it if it is missing. */
  async #opened(): Promise<Pool> {
    const { oracle, overwrites } = this.#context
    for (let tries = 1; this.#pool === undefined; tries++) {
      const [device, clock] = [this.#device as BlockDevice, this.#clock]
      const wasMade = oracle.isMade
      try {
        const { created: isNew } = await Pool.create(device, { clock, eraseOther: overwrites })
        if (isNew && wasMade) throw new Violation('pool', 'the pool was made again')
        oracle.isMade = true
        const lease = this.#context.lease()
        const client = this.names.role
        this.#pool = await Pool.open(device, { clock, client, ...(lease && { lease }) })
      } catch (error) {
        this.#judge('opening the pool', error, [])
        if (tries === TRIES) throw new Violation('wedged', `the pool cannot be opened: ${error}`)
        await clock.sleep(PAUSE_MS)
      }
    }
    return this.#pool
  }

  async #add(name: string, bytes: number): Promise<void> {
    const { oracle, sectorSize } = this.#context
    const pool = await this.#opened()
    const ring = oracle.newRing(name, bytes)
    const wanted: Wanted = {
      what: `adding ${name} as ${ring.id}`,
      apply: (before) => {
        if (before.rings.has(name) || freeIn(before) < bytes) return undefined
        return { ...before, rings: new Map([...before.rings, [name, ring]]) }
      },
      excuses: (code, { rings, ...rest }) =>
        (code === 'RING_EXISTS' && rings.has(name)) ||
        // Free space can be fragmented.
        (code === 'RING_POOL_FULL' && (rings.size > 0 || freeIn({ rings, ...rest }) < bytes)) ||
        (code === 'RING_LEASED' && this.#isContended),
    }
    await this.#changing(wanted, async () => {
      const info = await pool.add(name, { sizeBytes: bytes, name: ring.id, blockSize: sectorSize })
      if (info.offset < POOL_START || info.sizeBytes !== bytes) {
        throw new Violation('pool', `adding ${name} says ${JSON.stringify(info)}`)
      }
    })
  }

  async #remove(name: string, discardItems: boolean): Promise<void> {
    const { oracle } = this.#context
    const pool = await this.#opened()
    const wanted: Wanted = {
      what: `removing ${name}${discardItems ? ' with its items' : ''}`,
      apply: (before) => {
        const ring = before.rings.get(name)
        if (ring === undefined || (!discardItems && holdsItems(ring))) return undefined
        return { ...before, rings: new Map([...before.rings].filter(([each]) => each !== name)) }
      },
      excuses: (code, { rings }) => {
        const ring = rings.get(name)
        if (code === 'RING_NOT_FOUND') return ring === undefined
        if (code === 'RING_NOT_EMPTY') {
          return !discardItems && ring !== undefined && mayHoldItems(ring)
        }
        if (code === 'BLOCK_CLAIMED') return oracle.hasUsers
        return code === 'RING_LEASED' && this.#isContended
      },
    }
    await this.#changing(wanted, () => pool.remove(name, { discardItems }))
  }

  async #grow(): Promise<void> {
    const pool = await this.#opened()
    const bytes = this.#context.grow()
    const wanted: Wanted = {
      what: `growing to ${bytes}`,
      apply: (before) => ({ ...before, bytes }),
      excuses: (code) => code === 'RING_LEASED' && this.#isContended,
    }
    await this.#changing(wanted, async () => {
      const { sizeBytes } = await pool.grow()
      if (sizeBytes !== bytes)
        throw new Violation('pool', `a pool of ${bytes} grew to ${sizeBytes}`)
    })
  }

  /** True if others may have a lease that this program needs. */
  get #isContended(): boolean {
    return this.#context.lease() !== undefined && this.#context.oracle.isContended
  }

  /** Makes a change, and tells the oracle its outcome. */
  async #changing(wanted: Wanted, make: () => Promise<void>): Promise<void> {
    const { oracle } = this.#context
    const change = oracle.begin(wanted)
    this.#change = change
    try {
      await make()
      oracle.end(change, 'done')
    } catch (error) {
      if (error instanceof Violation) throw error
      const refused = codeOf(error)
      this.#context.trace(() => `${this.names.role}: ${wanted.what}: ${refused}`)
      if (REFUSALS.some((code) => code === refused)) oracle.end(change, { refused })
      else {
        oracle.end(change, 'unknown')
        this.#judge(wanted.what, error, [])
      }
    } finally {
      this.#change = undefined
    }
  }

  /** Looks at the pool. */
  async #list(): Promise<void> {
    const { oracle } = this.#context
    const pool = await this.#opened()
    const look = oracle.look()
    try {
      const state = await pool.status()
      oracle.checkUuid(state.uuid)
      oracle.saw(look, state)
      const taken = state.rings.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
      if (state.freeBytes !== state.sizeBytes - POOL_START - taken) {
        throw new Violation('pool', 'rings overlap, or room is lost')
      }
    } catch (error) {
      this.#judge('listing', error, [])
    } finally {
      oracle.lookedAway(look)
    }
  }

  /** Opens a ring and does something with it. */
  async #withRing(name: string, use: (device: PoolRingDevice) => Promise<void>): Promise<void> {
    const { oracle } = this.#context
    const pool = await this.#opened()
    const look = oracle.look()
    try {
      const device = await pool.open(name)
      await use(device)
    } catch (error) {
      const lacks = oracle.mayLack(look, name)
      this.#judge(`using ${name}`, error, [
        ...(lacks ? ['RING_NOT_FOUND', 'RING_REMOVED'] : []),
        ...occupied(look),
      ])
    } finally {
      oracle.lookedAway(look)
    }
  }

  async #keep(device: PoolRingDevice): Promise<void> {
    this.#kept = { device, id: await this.push(device) }
  }

  async #putKept(): Promise<void> {
    const { oracle } = this.#context
    if (this.#kept === undefined) return
    const { device, id } = this.#kept
    const look = oracle.look()
    try {
      await this.push(device, id)
    } catch (error) {
      const lacks = oracle.mayLackRing(look, id)
      this.#judge(`pushing into ring ${id}`, error, [
        ...(lacks ? ['RING_REMOVED'] : []),
        ...occupied(look),
      ])
    } finally {
      oracle.lookedAway(look)
    }
  }

  /**
   * Pushes an item; `expected` is the ring that has to be there, if that is known.
   * @returns the ring that is there
   */
  push(device: BlockDevice, expected?: string): Promise<string> {
    return this.#using(async () => {
      const attached = await Producer.attach(device, this.#attachOptions)
      if (attached.status !== 'attached') throw new Violation('error', 'nobody has suspended')
      const { producer } = attached
      try {
        const ring = await this.#checkHeld(device, expected)
        const text = `${ring.id}:${ring.sent.length}`
        const sent = { text, acknowledged: false }
        ring.sent.push(sent)
        this.#context.oracle.touch()
        const { status } = await producer.append([encoder.encode(text)])
        if (status === 'ok') sent.acknowledged = true
        else ring.sent.pop()
        await this.#checkHeld(device, ring.id)
        return ring.id
      } finally {
        await producer.close()
      }
    })
  }

  /** Takes all items there are. */
  async take(device: BlockDevice): Promise<void> {
    await this.#using(async () => {
      const consumer = await Consumer.attach(device, this.#attachOptions)
      try {
        const ring = await this.#checkHeld(device)
        const popped = await consumer.popMany()
        const end = checkItems(
          ring,
          popped.map(({ item }) => decoder.decode(item)),
        )
        const last = popped.at(-1)
        if (last === undefined) return
        ring.maybeConsumed = Math.max(ring.maybeConsumed, end)
        await consumer.advance(last.position)
        ring.consumed = Math.max(ring.consumed, end)
        this.#context.oracle.touch()
      } finally {
        await consumer.close()
      }
    })
  }

  async #using<T>(use: () => Promise<T>): Promise<T> {
    const { oracle } = this.#context
    this.#uses = true
    oracle.use(1)
    try {
      return await use()
    } finally {
      this.#uses = false
      oracle.use(-1)
    }
  }

  /** The ring whose role is held on a device: the one that has to be there. */
  async #checkHeld(device: BlockDevice, expected?: string): Promise<ModelRing> {
    const id = await idOf(device)
    if (expected !== undefined && id !== expected) {
      throw new Violation('stranger', `the device of ring ${expected} leads to ring ${id}`)
    }
    return this.#context.oracle.held(id)
  }

  get #clock(): SimProcess['clock'] {
    return (this.#process as SimProcess).clock
  }

  get #attachOptions(): Parameters<typeof Consumer.attach>[1] {
    const lease = this.#context.lease()
    return { clock: this.#clock, client: this.names.role, ...(lease && { lease }) }
  }

  /** An unexplained error is a violated guarantee. After an error of the device, the pool is opened again. */
  #judge(what: string, error: unknown, allowed: readonly string[]): void {
    if (error instanceof Violation) throw error
    const code = codeOf(error)
    const message = error instanceof Error ? error.message : String(error)
    this.#context.trace(() => `${this.names.role}: ${what}: ${code}: ${message}`)
    if (allowed.includes(code)) return
    if (!this.#context.isInjected(code)) {
      throw new Violation('error', `${what} throws ${code}: ${message}`)
    }
    this.#pool = undefined
  }
}

/** Codes of a role that another program holds, if one may. */
function occupied({ isContended }: Begun): readonly string[] {
  return isContended ? ['BLOCK_CLAIMED', 'RING_LEASED'] : []
}

async function idOf(device: BlockDevice): Promise<string | undefined> {
  return (await inspectRing(device)).ring?.name
}

/** What rings are called. */
export function nameOfRing(ring: number): string {
  return `ring-${ring}`
}

/** Bytes that belong to no ring. */
function freeIn({ rings, bytes }: PoolModel): number {
  const taken = [...rings.values()].reduce((sum, ring) => sum + ring.bytes, 0)
  return bytes - POOL_START - taken
}

export function codeOf(error: unknown): string {
  if (isBlockError(error) || isRingError(error)) return error.code
  return error instanceof Error ? error.name : typeof error
}
