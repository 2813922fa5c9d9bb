import type { AskOptions, BlockDevice } from '../../block/device.ts'
import type { RingHolders } from '../../ring/access/holders.ts'

/** How pictures get at devices: as the program that they are part of opens them, and in its words if that fails. */
export interface DeviceAccess {
  /** Opens a device, read-only. */
  open(path: string): Promise<BlockDevice & AsyncDisposable>
  /** Who holds the roles of the ring with this key. */
  holdersOf(device: BlockDevice, key: AskOptions['key']): Promise<RingHolders>
  /** What went wrong. */
  explain(error: unknown): { readonly code: string; readonly message: string }
}
