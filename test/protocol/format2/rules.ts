import type { View, Write } from '../machine.ts'

/** What can be left out, to see that the explorer finds what goes wrong then. */
export interface Rules {
  /** An append is answered when its batch is stable. */
  readonly batchBeforeAnswer: boolean
  /** Attaching flushes, and reads again until two readings agree. */
  readonly flushAtAttach: boolean
  /** A new epoch is on the medium before anything is accepted. */
  readonly epochBeforeAccepting: boolean
  /** A batch has to be of the epoch that its log position requires. */
  readonly checksEpoch: boolean
  /** A consumer beyond the beginning of an epoch that it had not seen goes back. */
  readonly goesBack: boolean
  /** Space is free up to the lower of both consumer slots, not the newer. */
  readonly freesByLower: boolean
  /** Space is not free beyond where an epoch begins that a consumer slot has not seen. */
  readonly freesBySeen: boolean
  /** When idle, the consumer writes until both slots carry its cursor. */
  readonly idleBothSlots: boolean
  /** A consumer that finds its slots different when it attaches settles them when idle. */
  readonly settlesAfterAttach: boolean
  /** A checkpoint is written before its block is reused. */
  readonly publishesBeforeReuse: boolean
  /** A push leaves a block for each uncommitted batch. */
  readonly leavesRoom: boolean
  /** Recovery ends at what was committed, and drops what was uncommitted. */
  readonly dropsHeld: boolean
  /** A new suspend request is refused until the last one is granted. */
  readonly requestWaits: boolean
  /** A push accepts nothing while the ring is suspended. */
  readonly pushObeys: boolean
}

export const RULES: Rules = {
  batchBeforeAnswer: true,
  flushAtAttach: true,
  epochBeforeAccepting: true,
  checksEpoch: true,
  goesBack: true,
  freesByLower: true,
  freesBySeen: true,
  idleBothSlots: true,
  settlesAfterAttach: true,
  publishesBeforeReuse: true,
  leavesRoom: true,
  dropsHeld: true,
  requestWaits: true,
  pushObeys: true,
}

/** A log position: blocks and items before it, and the batch before it. */
export interface LogPosition {
  readonly lsn: number
  readonly seq: number
  /** The number of the batch before: the chain. */
  readonly crc: number
}

export interface Epoch {
  readonly epoch: number
  readonly start: LogPosition
}

export interface ProducerSlot {
  readonly generation: number
  readonly committed: LogPosition
  readonly epochs: readonly Epoch[]
  readonly ack: boolean
}

export interface ConsumerSlot {
  readonly generation: number
  readonly cursor: LogPosition
  readonly seen: number
  readonly suspendRequest: boolean
}

/** A batch of at most one item, in its first block. */
export interface Batch {
  readonly id: number
  readonly start: LogPosition
  readonly epoch: number
  /** Items before this sequence number are committed by it. */
  readonly to: number
  readonly item?: number
  readonly blocks: number
}

/** A later block of a batch. */
export interface Body {
  readonly of: number
}

/** What a unit of the medium holds: two slots of the producer, two of the consumer, and then blocks of the log. */
export type Unit = ProducerSlot | ConsumerSlot | Batch | Body | null

export const PRODUCER = 0
export const CONSUMER = 2
export const DATA = 4

/** Which of a role's two slots. */
export type Which = 0 | 1

export const ORIGIN: LogPosition = { lsn: 0, seq: 0, crc: 0 }

export function producerSlots(view: View<Unit>): readonly [ProducerSlot, ProducerSlot] {
  return [view(PRODUCER) as ProducerSlot, view(PRODUCER + 1) as ProducerSlot]
}

export function consumerSlots(view: View<Unit>): readonly [ConsumerSlot, ConsumerSlot] {
  return [view(CONSUMER) as ConsumerSlot, view(CONSUMER + 1) as ConsumerSlot]
}

/** Which slot counts: the one with the higher generation. */
export function newest(
  slots: readonly [{ readonly generation: number }, { readonly generation: number }],
): Which {
  return slots[0].generation > slots[1].generation ? 0 : 1
}

/** Which slot is written next. */
export function older(
  slots: readonly [{ readonly generation: number }, { readonly generation: number }],
): Which {
  return newest(slots) === 0 ? 1 : 0
}

/** A write that waits for the medium. */
export function writeOf(
  units: Write<Unit>['units'],
  after: string,
  more: Partial<Write<Unit>> = {},
): Write<Unit> {
  return { kind: 'write', units, durable: true, seen: false, after, ...more }
}
