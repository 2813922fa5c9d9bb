import type { BlockDevice } from '../../block/device.ts'
import { identifyRing } from '../format2/disk/identify.ts'
import { detectFormat } from './detect.ts'

/** Reads a secret that proves access to the device, for talking to a role's holder. */
type ReadKey = () => Promise<Uint8Array | undefined>

/**
 * The UUID of the ring on a device. Undefined for a ring of format 1, which has no constant secret, and for a device
 * without a readable ring.
 */
export function keyOf(device: BlockDevice): ReadKey {
  return async () => {
    try {
      if ((await detectFormat(device)) !== 2) return undefined
      return (await identifyRing(device, await device.getInfo())).uuid
    } catch {
      return undefined
    }
  }
}

/** As `keyOf`, read once: repeated requests to a holder cost no further reads. */
export function keptKeyOf(device: BlockDevice, kept: KeptKey = {}): ReadKey {
  const read = keyOf(device)
  return async () => {
    kept.key ??= await read()
    return kept.key
  }
}

/** Keeps a key, so that code that has read the ring's UUID need not read it again. */
export interface KeptKey {
  key?: Uint8Array | undefined
}
