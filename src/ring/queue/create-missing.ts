import type { BlockDevice } from '../../block/device.ts'
import { Lazy } from '../../util/lazy.ts'
import type { CreateOptions } from '../types.ts'

const creating = new Lazy(() => import('./create-as.ts'))

/**
 * Creates the ring of a blank device, if that is wanted; an existing one has to be as the options say.
 * @throws as `createAs`
 */
export async function createMissing(
  device: BlockDevice,
  createIfMissing: boolean | CreateOptions,
): Promise<void> {
  if (createIfMissing === false) return
  const { createAs } = creating.value ?? (await creating.load())
  await createAs(device, createIfMissing === true ? {} : createIfMissing)
}
