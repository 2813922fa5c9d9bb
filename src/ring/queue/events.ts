import type { Position } from '../../position.ts'
import { type Channel, channel, type EventDetails } from '../../util/diagnostics.ts'
import type { RingRole } from '../types.ts'
import type { WakeCause } from './poll.ts'

/** Which handle. */
export interface HandleNames {
  /** The device's `name`. */
  readonly device: string
  /** The queue’s name, as in `AttachOptions`. */
  readonly queue: string
  /** The program’s name, as in `AttachOptions`. */
  readonly client: string
}

/** Pushes that were called in the same turn of the event loop, and completed by the same commit. */
export interface CompletedPushes {
  /** How many calls. */
  readonly count: number
  /** How long they took, from when their items were encoded until these are durable. */
  readonly waitedMs: number
}

/** What is published on the diagnostics channel `shared-block-ring:writer`. Times are in milliseconds. */
export type WriterEvent = HandleNames &
  (
    | { readonly event: 'opened' }
    | {
        /** Items became visible, with one call of `Producer.append`. */
        readonly event: 'committed'
        /** How many items. */
        readonly items: number
        /** Of these items. */
        readonly bytes: number
        /** The position after the last of them. */
        readonly position: Position
        /** How long `Producer.append` took, the write included. */
        readonly durationMs: number
        /** The pushes that it completed. */
        readonly pushes: readonly CompletedPushes[]
        /** Bytes that still wait in memory. */
        readonly queuedBytes: number
      }
    | {
        /** There was no room, or the ring is suspended: pushes wait, or `tryPush` says so. */
        readonly event: 'blocked'
        /** Why there is no room for the push now. */
        readonly reason: 'full' | 'suspended'
      }
    | {
        /** A push was refused with `RING_OVERLOADED`. */
        readonly event: 'overloaded'
        /** How many items the push had. */
        readonly items: number
      }
    | {
        /** A commit failed; what waited rejects with the error. */
        readonly event: 'failed'
        /** What the commit threw. */
        readonly error: unknown
      }
    | {
        /** A pause while waiting has ended. */
        readonly event: 'woken'
        /** What ended it. */
        readonly by: WakeCause
      }
    | { readonly event: 'closed' }
  )

/** What an event says of an entry: as in `RingEntry`. */
export interface ReceivedEntry {
  /** As in `RingEntry`. */
  readonly position: Position
  /** As in `RingEntry`. */
  readonly storedBytes: number
  /** As in `RingEntry`. */
  readonly pushedAt: number | undefined
  /** As in `RingEntry`. */
  readonly missed?: number
}

/** What is published on the diagnostics channel `shared-block-ring:reader`. Times are in milliseconds. */
export type ReaderEvent = HandleNames &
  (
    | { readonly event: 'opened' }
    | {
        /** Entries were delivered. */
        readonly event: 'received'
        /** The entries, in their order. */
        readonly entries: readonly ReceivedEntry[]
        /** How many of them this reader had delivered before. */
        readonly redelivered: number
        /** When, since 1970, by the reader's clock. */
        readonly at: number
        /** Entries that were delivered and are still in the ring. */
        readonly unackedEntries: number
      }
    | {
        /** Acknowledgements became durable, with one write. */
        readonly event: 'acknowledged'
        /** How many entries left the ring. */
        readonly count: number
        /** Everything before it is acknowledged. */
        readonly position: Position
        /** How long the write took. */
        readonly durationMs: number
        /** Entries that were delivered and are still in the ring. */
        readonly unackedEntries: number
      }
    | {
        /** A pause while waiting has ended. */
        readonly event: 'woken'
        /** What ended it. */
        readonly by: WakeCause
      }
    | { readonly event: 'closed' }
  )

/** What has a handle's names. */
type Named = Pick<RingRole, 'device' | 'queue' | 'client'>

/** An event without the names. */
type Unnamed<Event extends HandleNames> = EventDetails<Event, keyof HandleNames>

/** Where {@link WriterEvent}s are published. */
export const writerEvents: Channel = channel('shared-block-ring:writer')
/** Where {@link ReaderEvent}s are published. */
export const readerEvents: Channel = channel('shared-block-ring:reader')

/**
 * Publishes what happened to a writer. What comes with every commit and every receipt is published without it, as one literal, once the
 * caller has asked whether anybody listens: to spread names and event takes 4 us in Node 20, a hundred times as long.
 */
export function publishWriterEvent(role: Named, event: Unnamed<WriterEvent>): void {
  if (writerEvents.hasSubscribers) writerEvents.publish({ ...namesOf(role), ...event })
}

/** As `publishWriterEvent`, of a reader. */
export function publishReaderEvent(role: Named, event: Unnamed<ReaderEvent>): void {
  if (readerEvents.hasSubscribers) readerEvents.publish({ ...namesOf(role), ...event })
}

/** The names that all messages about a handle have. */
export function namesOf({ device, queue, client }: Named): HandleNames {
  return { device: device.name, queue, client }
}
