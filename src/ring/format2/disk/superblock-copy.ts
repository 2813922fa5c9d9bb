import { type BadBlock, formatUuid, isBad } from './block.ts'
import type { Superblock, UnknownFeatures } from './superblock.ts'

/** An offset where a superblock may be, and what was found there. */
export interface SuperblockCopy {
  readonly offset: number
  readonly superblock: Superblock | UnknownFeatures | BadBlock
}

/** A superblock with a valid checksum. */
export interface SoundCopy extends SuperblockCopy {
  readonly superblock: Superblock | UnknownFeatures
}

/** Whether a superblock's checksum holds. */
export function isSound(copy: SuperblockCopy): copy is SoundCopy {
  return !isBad(copy.superblock)
}

/** Whether it is of a ring with features that are unknown. */
export function isUnknown(superblock: SoundCopy['superblock']): superblock is UnknownFeatures {
  return 'incompatible' in superblock
}

/** Whether two copies say the same. */
export function isSameRing(one: SoundCopy['superblock'], other: SoundCopy['superblock']): boolean {
  return describeRing(one) === describeRing(other)
}

/** A superblock as text, for people and for comparing. */
export function describeRing(superblock: SoundCopy['superblock']): string {
  if (isUnknown(superblock)) return `features that are unknown (${featuresOf(superblock)})`
  const { uuid, blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name } = superblock
  const rest = { blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name }
  return `${formatUuid(uuid)} ${JSON.stringify(rest)}`
}

/** Features that this version does not know, for people. */
export function featuresOf({ incompatible, readOnlyCompatible }: UnknownFeatures): string {
  return `incompatible ${incompatible}, read-only compatible ${readOnlyCompatible}`
}
