import type { BlockDevice } from '../../block/device.ts'
import { inspectRing } from '../../ring/access/inspect.ts'
import { CommandError, EXIT } from '../errors.ts'
import { leasesOf } from './leases.ts'
import { holdersOf, leaseInUse } from './take-roles.ts'

/**
 * An error that names the producer that may push to a ring now: on this machine by its claim, on another by its
 * lease. Undefined if there is none, or if it has acknowledged a pause.
 */
export async function producerAtWork(
  ring: BlockDevice,
  signal: AbortSignal,
): Promise<CommandError | undefined> {
  const state = await inspectRing(ring, { signal })
  if (state.producer.suspendAck && state.consumer.suspend) return undefined
  const { producer } = await holdersOf(ring)
  if (producer !== undefined) {
    const message = `a producer is running on ${ring.name}: ${producer.holder}`
    const details = { device: ring.name, holder: producer.holder }
    return new CommandError(EXIT.fault, 'BLOCK_CLAIMED', message, details)
  }
  return leaseInUse(ring.name, 'producer', await leasesOf(ring))
}
