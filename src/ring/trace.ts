import { type Channel, channel } from '../util/diagnostics.ts'
import type { Names } from './types.ts'

/**
 * The fields whose reads and writes are published, on `shared-block-ring:<key>`, like the original's `LOG.trace`.
 * `producer` and `consumer` are positions; the other two are booleans.
 */
export type TraceKey = 'producer' | 'suspend_ack' | 'consumer' | 'suspend'

/** Published when a field was read from the device, or is about to be written to it. */
export interface TraceEvent {
  /** `get`: read from the device; `set`: about to be written to it. */
  readonly operation: 'get' | 'set'
  /** The field. */
  readonly key: TraceKey
  /** A position, or a boolean. */
  readonly value: bigint | boolean
  /** The queue’s name, as in `AttachOptions`. */
  readonly queue: string
  /** The program’s name, as in `AttachOptions`. */
  readonly client: string
  /** The device's name. */
  readonly device: string
}

const channels: Readonly<Record<TraceKey, Channel>> = {
  producer: channel('shared-block-ring:producer'),
  suspend_ack: channel('shared-block-ring:suspend_ack'),
  consumer: channel('shared-block-ring:consumer'),
  suspend: channel('shared-block-ring:suspend'),
}

/** True if there are subscribers. Checked where creating the event takes time. */
export function isTraced(key: TraceKey): boolean {
  return channels[key].hasSubscribers
}

/** Publishes a read or write, if there are subscribers. */
export function trace(
  operation: TraceEvent['operation'],
  key: TraceKey,
  value: bigint | boolean,
  names: Names,
  device: string,
): void {
  const { queue, client } = names
  const target = channels[key]
  if (target.hasSubscribers) {
    target.publish({ operation, key, value, queue, client, device } satisfies TraceEvent)
  }
}
