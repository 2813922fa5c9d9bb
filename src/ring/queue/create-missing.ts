import type { BlockDevice } from '../../block/device.ts'
import { Lazy } from '../../util/lazy.ts'
import type { NewRingOptions } from '../types.ts'

const creating = new Lazy(() => import('./ensure-ring.ts'))

/**
 * Creates a ring on a blank device if the options ask for it. An existing one must match them.
 * @throws as `ensureRing`
 */
export async function createMissing(
  device: BlockDevice,
  createIfMissing: boolean | NewRingOptions,
): Promise<void> {
  if (createIfMissing === false) return
  const { ensureRing } = creating.value ?? (await creating.load())
  await ensureRing(device, createIfMissing === true ? {} : createIfMissing)
}
