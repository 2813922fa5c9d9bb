import { Violation } from '../runs/violation.ts'

/** An item that a program pushed, or may have pushed. */
interface Sent {
  readonly text: string
  acknowledged: boolean
}

/** A ring as the oracle knows it. Its id is new for each ring, and is the name in its superblock. */
export interface ModelRing {
  readonly id: string
  readonly name: string
  readonly bytes: number
  readonly sent: Sent[]
  /** The number of them that have certainly left the ring; `maybeConsumed` is how many may have. */
  consumed: number
  maybeConsumed: number
}

/** A state of a pool: its rings by their names, and its size. */
export interface PoolModel {
  readonly rings: ReadonlyMap<string, ModelRing>
  readonly bytes: number
}

/** The state of a pool as a program sees it. */
export interface Seen {
  readonly rings: readonly { readonly name: string; readonly sizeBytes: number }[]
  readonly sizeBytes: number
}

/** A change that a program wants. */
export interface Wanted {
  readonly what: string
  /** The state afterwards; undefined if the change must be refused in this state. */
  apply(pool: PoolModel): PoolModel | undefined
  /** True if the pool may refuse it with this code. */
  excuses(code: string, pool: PoolModel): boolean
}

/** A change in progress, or a look at the pool. */
export interface Begun {
  /** Every state that the pool may have had since it began. */
  readonly met: Map<string, PoolModel>
  /** No change has ended since. */
  isAlone: boolean
  /** True if another program has changed the pool or used a ring meanwhile. */
  isContended: boolean
}

/** A change in progress. */
export interface Change extends Begun {
  readonly id: number
  readonly wanted: Wanted
  readonly excused: Set<string>
}

/** A state that the pool may be in, and the changes in progress that have already happened in it. */
interface Candidate {
  readonly pool: PoolModel
  readonly done: ReadonlySet<Change>
}

/** More candidates would mean that the outcome of changes is never observed. */
const MOST_CANDIDATES = 400

/** Codes with which a pool refuses a change. */
export const REFUSALS = [
  'RING_EXISTS',
  'RING_POOL_FULL',
  'RING_NOT_FOUND',
  'RING_NOT_EMPTY',
  'RING_LEASED',
  'BLOCK_CLAIMED',
] as const

/**
 * Tracks the states that a pool may be in. A change happens at some moment before its call resolves, or not at all; one
 * that failed or whose program died may have happened, until a program sees which. A state that was seen stays, power
 * cuts included.
 */
export class PoolOracle {
  /** True if the pool has certainly been created. */
  isMade = false
  #uuid: string | undefined
  #candidates: readonly Candidate[]
  readonly #changes = new Set<Change>()
  readonly #looks = new Set<Begun>()
  #rings = 0
  #begun = 0
  #users = 0
  #changed = 0

  constructor(bytes: number) {
    this.#candidates = [{ pool: { rings: new Map(), bytes }, done: new Set() }]
  }

  /** Changes that have happened. */
  get changed(): number {
    return this.#changed
  }

  /** A ring that exists before the faults begin. */
  startWith(name: string, bytes: number): ModelRing {
    const ring = this.newRing(name, bytes)
    this.#candidates = this.#candidates.map(({ pool, done }) => {
      return { pool: { ...pool, rings: new Map([...pool.rings, [name, ring]]) }, done }
    })
    return ring
  }

  /** A ring that a program wants to add. */
  newRing(name: string, bytes: number): ModelRing {
    return { id: String(++this.#rings), name, bytes, sent: [], consumed: 0, maybeConsumed: 0 }
  }

  /** A program starts or stops using a ring, whose roles are held meanwhile. */
  use(by: 1 | -1): void {
    this.#users += by
    this.touch()
  }

  get hasUsers(): boolean {
    return this.#users > 0
  }

  /** True if more than one program changes the pool or uses a ring. */
  get isContended(): boolean {
    return this.#users + this.#changes.size > 1
  }

  begin(wanted: Wanted): Change {
    const change = {
      id: ++this.#begun,
      wanted,
      met: new Map(),
      excused: new Set<string>(),
      isAlone: true,
      isContended: false,
    }
    this.#changes.add(change)
    this.touch()
    return change
  }

  /** A change has ended: it happened, was refused, or its outcome is unknown. */
  end(change: Change, how: 'done' | 'unknown' | { readonly refused: string }): void {
    this.touch()
    const all = this.#reachable()
    this.#changes.delete(change)
    for (const other of [...this.#changes, ...this.#looks]) other.isAlone = false
    if (how === 'done') {
      this.#changed++
      this.#keep(
        all.filter(({ done }) => done.has(change)),
        `${change.wanted.what} resolved, which cannot have happened`,
      )
    } else if (how !== 'unknown') {
      const { refused } = how
      if (!change.excused.has(refused)) {
        throw new Violation('refused', `${change.wanted.what} is refused with ${refused}`)
      }
      this.#keep(
        all.filter(({ done }) => !done.has(change)),
        `${change.wanted.what} was refused with ${refused}, and has happened`,
      )
    } else this.#keep(all, '')
    this.touch()
  }

  /** A program begins to look at the pool. */
  look(): Begun {
    const look = { met: new Map<string, PoolModel>(), isAlone: true, isContended: false }
    this.#looks.add(look)
    this.touch()
    return look
  }

  /** A program that looked is gone, or its look failed. */
  lookedAway(look: Begun): void {
    this.#looks.delete(look)
  }

  /** A look has returned a state. */
  saw(look: Begun, seen: Seen): void {
    this.#looks.delete(look)
    const key = keyOfSeen(seen)
    const states = [...look.met.values()]
    if (!states.some((pool) => keyOfSeen(asSeen(pool)) === key)) {
      const known = [...new Set(states.map((pool) => keyOfSeen(asSeen(pool))))].join(' or ')
      throw new Violation('pool', `the pool shows ${key}, and may have ${known}`)
    }
    // Once seen, it stays: changes that have not happened yet can still happen, and none that has is undone.
    if (look.isAlone) {
      const now = this.#reachable().filter(({ pool }) => keyOfSeen(asSeen(pool)) === key)
      this.#keep(now, `the pool shows ${key}, which was undone`)
      this.touch()
    }
  }

  /** True if a ring of that name may have been missing at some moment of a look. */
  mayLack(look: Begun, name: string): boolean {
    return [...look.met.values()].some(({ rings }) => !rings.has(name))
  }

  /** True if a ring may have been missing. */
  mayLackRing(look: Begun, id: string): boolean {
    return [...look.met.values()].some(({ rings }) => !has(rings, id))
  }

  /** Checks that the identity of the pool has not changed. */
  checkUuid(uuid: string): void {
    this.#uuid ??= uuid
    if (uuid !== this.#uuid) throw new Violation('pool', 'the pool was made again')
  }

  /**
   * The ring with an id, one of whose roles is held: it is in the pool meanwhile.
   * @throws {Violation} it cannot be there
   */
  held(id: string | undefined): ModelRing {
    const found = this.#reachable().flatMap(({ pool }) =>
      [...pool.rings.values()].filter((ring) => ring.id === id),
    )
    const [ring] = found
    if (ring === undefined)
      throw new Violation('gone', `a role of ring ${id} is held, which is gone`)
    this.#keep(
      this.#reachable().filter(({ pool }) => has(pool.rings, ring.id)),
      '',
    )
    this.touch()
    return ring
  }

  /** A program pushed an item, or will: that may excuse refusals of changes. */
  touch(): void {
    if (this.#changes.size === 0 && this.#looks.size === 0) return
    const all = this.#reachable()
    for (const begun of [...this.#changes, ...this.#looks]) {
      for (const { pool } of all) begun.met.set(keyOf(pool), pool)
      if (this.isContended) begun.isContended = true
    }
    for (const change of this.#changes) {
      for (const code of REFUSALS) {
        if (all.some(({ pool }) => change.wanted.excuses(code, pool))) change.excused.add(code)
      }
    }
  }

  /** The candidates, each with any of the changes in progress applied, in any order. */
  #reachable(): readonly Candidate[] {
    const found = new Map<string, Candidate>()
    const add = (candidate: Candidate): void => {
      const key = keyOfCandidate(candidate)
      if (found.has(key)) return
      found.set(key, candidate)
      for (const change of this.#changes) {
        if (candidate.done.has(change)) continue
        const pool = change.wanted.apply(candidate.pool)
        if (pool !== undefined) add({ pool, done: new Set([...candidate.done, change]) })
      }
    }
    for (const candidate of this.#candidates) add(candidate)
    return [...found.values()]
  }

  #keep(candidates: readonly Candidate[], otherwise: string): void {
    if (candidates.length === 0) throw new Violation('pool', otherwise)
    const kept = new Map<string, Candidate>()
    for (const { pool, done } of candidates) {
      const still = [...done].filter((change) => this.#changes.has(change))
      const candidate = { pool, done: new Set(still) }
      kept.set(keyOfCandidate(candidate), candidate)
    }
    this.#candidates = [...kept.values()]
    if (kept.size > MOST_CANDIDATES) throw new Error('too many states that the pool may be in')
  }
}

function has(rings: PoolModel['rings'], id: string): boolean {
  for (const ring of rings.values()) if (ring.id === id) return true
  return false
}

function keyOf({ rings, bytes }: PoolModel): string {
  const ids = [...rings.values()].map(({ name, id }) => `${name}:${id}`)
  return `${bytes} ${ids.sort().join()}`
}

function keyOfCandidate({ pool, done }: Candidate): string {
  const ids = [...done].map(({ id }) => id).sort((a, b) => a - b)
  return `${keyOf(pool)} ${ids.join()}`
}

function asSeen({ rings, bytes }: PoolModel): Seen {
  const all = [...rings.values()].map(({ name, bytes: sizeBytes }) => ({ name, sizeBytes }))
  return { rings: all, sizeBytes: bytes }
}

function keyOfSeen({ rings, sizeBytes }: Seen): string {
  const all = rings.map((ring) => `${ring.name} of ${ring.sizeBytes}`)
  return `[${all.sort().join(', ')}] of ${sizeBytes}`
}

/** True if a ring certainly has an unconsumed item. */
export function holdsItems({ sent, maybeConsumed }: ModelRing): boolean {
  return sent.some(({ acknowledged }, at) => acknowledged && at >= maybeConsumed)
}

/** True if it may have one. */
export function mayHoldItems({ sent, consumed }: ModelRing): boolean {
  return sent.length > consumed
}

/**
 * Checks what a consumer gets of a ring: its own items alone, in order, and all that were acknowledged and not taken.
 * @returns how many of the items that were sent lie before the end of these
 */
export function checkItems(ring: ModelRing, items: readonly string[]): number {
  let at = ring.consumed
  let first = true
  const skip = (to: number): void => {
    for (; at < to; at++) {
      const sent = ring.sent[at]
      const mayBeTaken = first && at < ring.maybeConsumed
      if (sent?.acknowledged === true && !mayBeTaken) {
        throw new Violation('lost', `ring ${ring.id} lost the item ${sent.text}`)
      }
    }
  }
  for (const item of items) {
    const found = ring.sent.findIndex(({ text }, index) => index >= at && text === item)
    if (found < 0) throw new Violation('stranger', `ring ${ring.id} has the item ${item}`)
    skip(found)
    first = false
    at = found + 1
  }
  const end = at
  skip(ring.sent.length)
  return end
}
