import type { BlockDevice } from '../../block/device.ts'
import { identifyRing } from '../format2/disk/identify.ts'
import { detectFormat } from './detect.ts'

/** Reads the secret that only a reader of the device knows, for talking to a role's holder. */
type ReadKey = () => Promise<Uint8Array | undefined>

/**
 * The UUID of the ring on a device. Undefined for a ring of format 1, which has nothing that is secret and constant; and for a device
 * without a ring, or with an unreadable one.
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

/** The same, read once: asking a holder repeatedly costs no further reads. */
export function keptKeyOf(device: BlockDevice, kept: KeptKey = {}): ReadKey {
  const read = keyOf(device)
  return async () => {
    kept.key ??= await read()
    return kept.key
  }
}

/** Where a key is kept, so that it is not read by whoever has read the ring's UUID anyway. */
export interface KeptKey {
  key?: Uint8Array | undefined
}
