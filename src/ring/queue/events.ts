import type { Position } from '../../position.ts'
import { type Channel, channel, type EventDetails } from '../../util/diagnostics.ts'
import type { RingRole } from '../types.ts'
import type { WakeCause } from './poll.ts'

/** Identifies a handle. */
export interface HandleNames {
  /** The device's `name`. */
  readonly device: string
  /** The queue’s name, as in `AttachOptions`. */
  readonly queue: string
  /** The program’s name, as in `AttachOptions`. */
  readonly client: string
}

/** Pushes called in the same turn of the event loop, and completed by the same commit. */
export interface CompletedPushes {
  /** The number of calls. */
  readonly count: number
  /** Time from encoding their items until they are durable. */
  readonly waitedMs: number
}

/** Published on the diagnostics channel `shared-block-ring:writer`. Times are in milliseconds. */
export type WriterEvent = HandleNames &
  (
    | { readonly event: 'opened' }
    | {
        /** One call of `Producer.append` made items visible. */
        readonly event: 'committed'
        /** The number of items. */
        readonly items: number
        /** Their total bytes. */
        readonly bytes: number
        /** The position after the last of them. */
        readonly position: Position
        /** Duration of `Producer.append`, including the write. */
        readonly durationMs: number
        /** The pushes completed by it. */
        readonly pushes: readonly CompletedPushes[]
        /** Bytes still queued in memory. */
        readonly queuedBytes: number
      }
    | {
        /** The ring is full or suspended: pushes wait, and `tryPush` returns that status. */
        readonly event: 'blocked'
        /** The reason. */
        readonly reason: 'full' | 'suspended'
      }
    | {
        /** A push was refused with `RING_OVERLOADED`. */
        readonly event: 'overloaded'
        /** The number of items in the push. */
        readonly items: number
      }
    | {
        /** A commit failed, and its pushes reject with the error. */
        readonly event: 'failed'
        /** The error of the commit. */
        readonly error: unknown
      }
    | {
        /** A pause while waiting has ended. */
        readonly event: 'woken'
        /** The cause. */
        readonly by: WakeCause
      }
    | {
        readonly event: 'closed'
        /** As in `Closed`. */
        readonly rejected: number
      }
  )

/** The part of a `RingEntry` that events include. */
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

/** Entries received one after the other, and pushed at the same time: those of one commit. */
export interface PushedTogether {
  /** The number of entries. */
  readonly count: number
  /** As in `RingEntry`. */
  readonly pushedAt: number | undefined
}

/** Published on the diagnostics channel `shared-block-ring:reader`. Times are in milliseconds. */
export type ReaderEvent = HandleNames &
  (
    | { readonly event: 'opened' }
    | {
        /** Entries were delivered. */
        readonly event: 'received'
        /** The entries, in order. */
        readonly entries: readonly ReceivedEntry[]
        /** The same, in order, counted by when they were pushed. */
        readonly pushes: readonly PushedTogether[]
        /** The sum of their `storedBytes`. */
        readonly bytes: number
        /** The sum of their `missed`. */
        readonly missed: number
        /** The number of them that this reader had delivered before. */
        readonly redelivered: number
        /** Time since 1970, by the reader's clock. */
        readonly at: number
        /** Entries delivered and still in the ring. */
        readonly unackedEntries: number
      }
    | {
        /** One write made acknowledgements durable. */
        readonly event: 'acknowledged'
        /** The number of entries that left the ring. */
        readonly count: number
        /** Everything before this position is acknowledged. */
        readonly position: Position
        /** Duration of the write. */
        readonly durationMs: number
        /** Entries delivered and still in the ring. */
        readonly unackedEntries: number
      }
    | {
        /** A pause while waiting has ended. */
        readonly event: 'woken'
        /** The cause. */
        readonly by: WakeCause
      }
    | { readonly event: 'closed' }
  )

/** An object that has a handle's names. */
type Named = Pick<RingRole, 'device' | 'queue' | 'client'>

/** An event without the names. */
type Unnamed<Event extends HandleNames> = EventDetails<Event, keyof HandleNames>

/** The channel of {@link WriterEvent}s. */
export const writerEvents: Channel = channel('shared-block-ring:writer')
/** The channel of {@link ReaderEvent}s. */
export const readerEvents: Channel = channel('shared-block-ring:reader')

/**
 * Publishes an event of a writer. Events of every commit and every receipt are published as one literal instead, after
 * a check for subscribers: spreading names and event takes 4 us in Node 20, a hundred times as long.
 */
export function publishWriterEvent(role: Named, event: Unnamed<WriterEvent>): void {
  if (writerEvents.hasSubscribers) writerEvents.publish({ ...namesOf(role), ...event })
}

/** As `publishWriterEvent`, for a reader. */
export function publishReaderEvent(role: Named, event: Unnamed<ReaderEvent>): void {
  if (readerEvents.hasSubscribers) readerEvents.publish({ ...namesOf(role), ...event })
}

/** The names that all events of a handle have. */
export function namesOf({ device, queue, client }: Named): HandleNames {
  return { device: device.name, queue, client }
}
