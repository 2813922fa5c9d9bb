import { checkCall } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import type { SalvageBlockDevice } from '../../block/wrap/salvage.ts'
import { isRingError } from '../../errors.ts'
import { Lazy } from '../../util/lazy.ts'
import type { OptionKinds } from '../../util/options.ts'
import type { Extent } from '../format.ts'
import { format2 } from '../format2/index.ts'
import type { InspectOptions, RingInspection } from '../inspection.ts'
import { detectFormat } from '../shared/detect.ts'
import type * as types from '../types.ts'
import { formatNumbered } from './formats.ts'

/** Loaded on demand: only inspections with `salvage` need it. */
const salvaging = new Lazy(() => import('./readable-part.ts'))

const INSPECT_KINDS: OptionKinds<InspectOptions> = {
  salvage: 'boolean',
  maxItemBytes: 'number',
  signal: 'signal',
}

/**
 * Reads a ring's state without taking a role. Changes nothing, and works while both sides run.
 * @throws {RingError} `RING_NOT_INITIALISED`, `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`, `RING_CORRUPT`,
 *   `RING_UNSTABLE`
 */
export async function inspectRing(
  device: BlockDevice,
  options: InspectOptions = {},
): Promise<RingInspection> {
  checkCall('inspectRing', device, options, INSPECT_KINDS)
  if (options.salvage !== true) {
    const format = await formatNumbered(await detectFormat(device))
    return await format.inspect(device, options)
  }
  const { salvage, unreadableBytes } = salvaging.value ?? (await salvaging.load())
  return await salvage(device, async (readable, format) => {
    // In format 1, zeroes in place of unreadable sectors would pass for records.
    if (format === 1) return (await formatNumbered(1)).inspect(device, options)
    const state = await format2.inspect(readable, options)
    const unreadable = await unreadableBytes(readable)
    return { ...state, unreadable, items: () => itemsOf(readable, state) }
  })
}

/**
 * Identifies a device's ring, and finds how far it was written. No item written later is at or before `writtenTo` in
 * the same epoch, and none that existed lies beyond it, unless this consumer has to jump to it (`LogFront.jumps`).
 * Unlike `inspectRing` it does not search after the end of the log for items that damage hides, which reads 12 MiB.
 * Changes nothing, takes no role, and works while both sides run.
 * @throws {RingError} as `inspectRing`
 * @throws the signal's reason
 */
export async function ringExtent(
  consumer: types.Consumer,
  signal: AbortSignal | undefined,
): Promise<Extent> {
  const format = await formatNumbered(await detectFormat(consumer.device))
  return await format.extent(consumer, signal)
}

/** The readable items, then the error of the unreadable ones: a caller must not mistake the readable items for all. */
async function* itemsOf(
  readable: SalvageBlockDevice,
  state: RingInspection,
): AsyncGenerator<types.PoppedItem> {
  try {
    yield* state.items()
  } catch (error) {
    throw isRingError(error) && readable.failure !== undefined ? readable.failure : error
  }
  if (readable.failure !== undefined) throw readable.failure
}
