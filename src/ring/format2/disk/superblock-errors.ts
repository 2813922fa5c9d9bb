import type { BlockDevice, BlockInfo } from '../../../block/device.ts'
import { readRange } from '../../../block/read-range.ts'
import { RingError } from '../../../errors.ts'
import { notInitialised } from '../../report/signatures.ts'
import { describeRing, featuresOf } from './describe-ring.ts'
import { GUARD_BYTES, isGuarded } from './guard.ts'
import type { UnknownFeatures } from './superblock.ts'
import type { ValidCopy } from './superblock-copy.ts'

// The reasons why a device is not one ring of this version. Loaded when a device is refused.

/** There is no credible superblock. */
export async function noSuperblock(device: BlockDevice, info: BlockInfo): Promise<RingError> {
  if (!isGuarded((await readRange(device, 0, GUARD_BYTES, info)).bytes)) {
    return await notInitialised(device)
  }
  return new RingError(
    'RING_CORRUPT',
    `None of the three superblocks of ${device.name} can be read. If its creation was interrupted, create it again: sbr create ` +
      `${device.name}; if the device has grown since, search for the third copy: sbr repair ${device.name}`,
    { device: device.name, field: 'superblock', expected: 'a superblock', found: 'none' },
  )
}

/** Superblocks contradict each other. */
export function ambiguous(device: string, copies: readonly ValidCopy[]): RingError {
  const found = copies
    .map(({ offset, superblock }) => `at byte ${offset} ${describeRing(superblock)}`)
    .join('; ')
  return new RingError(
    'RING_CORRUPT',
    `The superblocks of ${device} describe different rings, and it is unknown which of them counts: ${found}. ` +
      `Nothing was changed; sbr dump ${device} --at OFFSET shows each. Keep a copy of the device, overwrite the wrong ones ` +
      `with zeroes, a whole block each, and have them written again: sbr repair ${device} --write`,
    {
      device,
      field: 'superblocks',
      offset: copies.at(-1)?.offset ?? 0,
      expected: 'copies of one ring',
      found,
    },
  )
}

/** The only ring has features that this version does not know. */
export function unsupported(features: UnknownFeatures, device: string): RingError {
  const found = featuresOf(features)
  return new RingError(
    'RING_UNSUPPORTED',
    `The ring on ${device} uses features that this version does not support (${found}); use a newer one`,
    { device, field: 'features', expected: 'none', found },
  )
}

/** A superblock is credible, but neither a guard nor a ring of format 1 shows what it belongs to. */
export function unguarded(device: string, { offset, superblock }: ValidCopy): RingError {
  return new RingError(
    'RING_CORRUPT',
    `The guard at the start of ${device} is gone, so it is unknown if the superblock at byte ${offset} (${describeRing(superblock)}) ` +
      'belongs to a ring on this device or to other content. If you know that it is a ring of format 2, have its guard ' +
      `written again: sbr repair ${device} --format 2 --write`,
    { device, field: 'guard', offset, expected: 'the guard of format 2', found: 'something else' },
  )
}
