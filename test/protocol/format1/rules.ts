import type { View, Write } from '../machine.ts'

/** What can be left out, to see that the explorer finds what goes wrong then. */
export interface Rules {
  /** The consumer flushes before its pointer passes what may be only in a cache. */
  readonly flushBeforeCursor: boolean
  /** The producer flushes before it reuses space. */
  readonly flushBeforeReuse: boolean
  /** The producer flushes when it attaches. */
  readonly flushAtAttach: boolean
  /** Items are stable before the pointer shows them. */
  readonly itemsBeforePointer: boolean
  /** An advance is answered when its pointer is stable. */
  readonly pointerBeforeAnswer: boolean
  /** A new suspend request is refused until the last one is granted. */
  readonly requestWaits: boolean
  /** A push accepts nothing while the ring is suspended. */
  readonly pushObeys: boolean
  /** The sector in which a push begins keeps the items before it. */
  readonly keepsBefore: boolean
  /** The sector in which a push ends keeps the oldest items, if they are there. */
  readonly keepsAfter: boolean
  /** An item has to fit before the oldest one. */
  readonly needsRoom: boolean
}

export const RULES: Rules = {
  flushBeforeCursor: true,
  flushBeforeReuse: true,
  flushAtAttach: true,
  itemsBeforePointer: true,
  pointerBeforeAnswer: true,
  requestWaits: true,
  pushObeys: true,
  keepsBefore: true,
  keepsAfter: true,
  needsRoom: true,
}

/** A pointer sector: a count of slots, and `suspend` or `suspend_ack`. */
export interface Pointer {
  readonly offset: number
  readonly flag: boolean
}

/**
 * A data sector: two slots. An item takes one or two; the first holds its number, the second the number's negative.
 * What was there before everything is 0.
 */
export type Sector = readonly [number, number]

/** What a unit of the medium holds: the producer's pointer, the consumer's, and then data sectors. */
export type Unit = Pointer | Sector

export const PRODUCER = 0
export const CONSUMER = 1
export const DATA = 2

/** Where the slots of the ring are. */
export class Slots {
  readonly sectors: number
  /** Slots of the ring. */
  readonly capacity: number

  constructor(sectors: number) {
    this.sectors = sectors
    this.capacity = 2 * sectors
  }

  /** The unit that holds a slot. */
  unit(slot: number): number {
    return DATA + (Math.floor(slot / 2) % this.sectors)
  }

  read(view: View<Unit>, slot: number): number {
    return (view(this.unit(slot)) as Sector)[slot % 2] as number
  }
}

/** The number of an item that takes one slot or two. */
export function itemOf(number: number, slots: number): number {
  return 10 * number + slots
}

/** How many slots an item takes. */
export function slotsOf(item: number): number {
  return item % 10
}

export function pointerAt(view: View<Unit>, at: number): Pointer {
  return view(at) as Pointer
}

/** A write that waits for the medium. */
export function writeOf(
  units: Write<Unit>['units'],
  after: string,
  more: Partial<Write<Unit>> = {},
): Write<Unit> {
  return { kind: 'write', units, durable: true, seen: false, after, ...more }
}
