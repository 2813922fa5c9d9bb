import type { AskOptions, BlockDevice } from '../../block/device.ts'
import type { RingHolders } from '../../ring/access/holders.ts'

/** Opens devices for pictures, and words errors: supplied by the program that they are part of. */
export interface DeviceAccess {
  /** Opens a device, read-only. */
  open(path: string): Promise<BlockDevice & AsyncDisposable>
  /** The holders of the roles of the ring with this key. */
  holdersOf(device: BlockDevice, key: AskOptions['key']): Promise<RingHolders>
  /** An error, for people. */
  explain(error: unknown): { readonly code: string; readonly message: string }
}
