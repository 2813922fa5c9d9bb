import type { BlockDevice } from '../block/device.ts'
import { detectFormat } from './detect.ts'
import { identifyRing } from './format2/disk/identify.ts'

/** Reads what only a reader of the device has, for talking to a role's holder. */
type ReadKey = () => Promise<Uint8Array | undefined>

/**
 * The UUID of the ring on a device. A ring of format 1 has nothing that is not known or does not change; nor has a device without a
 * ring, or with one that cannot be read.
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

/** The same, read once: whoever asks a holder again and again costs it no reads. */
export function keptKeyOf(device: BlockDevice): ReadKey {
  const read = keyOf(device)
  let kept: Uint8Array | undefined
  return async () => {
    kept ??= await read()
    return kept
  }
}
