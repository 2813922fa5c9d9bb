import { type Channel, channel } from '../../../util/diagnostics.ts'
import { COMMAND } from '../protocol.ts'

/** A kind of request, in the words of the protocol. */
export type NbdCommand = Exclude<keyof typeof COMMAND, 'disconnect'>

/** Published on the diagnostics channel `shared-block-ring:nbd`. */
export type NbdEvent = {
  /** The device's `name`: its URI. */
  readonly device: string
} & (
  | {
      /** A request has ended. One of many sectors may be several of them. */
      readonly event: 'request'
      /** The operation. */
      readonly command: NbdCommand
      /** The length of its range. */
      readonly bytes: number
      /** Milliseconds, including the wait for its turn and for a connection. */
      readonly durationMs: number
      /** Other requests in flight on this connection. */
      readonly inFlight: number
      /** The reason, if it failed. */
      readonly error?: unknown
    }
  /** A connection was lost. */
  | { readonly event: 'lost' }
  /** A connection was made again. */
  | { readonly event: 'connected' }
  | {
      /** A connection could not be made again. */
      readonly event: 'unreachable'
      /** The reason. */
      readonly error: unknown
    }
)

/** The channel of {@link NbdEvent}s. */
export const nbdEvents: Channel = channel('shared-block-ring:nbd')

const NAMES = new Map<number, NbdCommand>(
  Object.entries(COMMAND).map(([name, command]) => [command, name as NbdCommand]),
)

/** The name of a request's command. */
export function nameOf(command: number): NbdCommand {
  return NAMES.get(command) ?? 'read'
}

/** Publishes what happened to the client of an export. */
export function publishNbdEvent(event: NbdEvent): void {
  if (nbdEvents.hasSubscribers) nbdEvents.publish(event)
}
