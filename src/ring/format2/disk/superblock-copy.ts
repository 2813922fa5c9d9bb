import { type BadBlock, isBad } from './block.ts'
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

const SAID = ['blockSize', 'deviceBytes', 'dataOffset', 'dataBlocks', 'overwrites', 'name'] as const

/** Whether two copies say the same. */
export function isSameRing(one: SoundCopy['superblock'], other: SoundCopy['superblock']): boolean {
  if (isUnknown(one) || isUnknown(other)) {
    return (
      isUnknown(one) &&
      isUnknown(other) &&
      one.incompatible === other.incompatible &&
      one.readOnlyCompatible === other.readOnlyCompatible
    )
  }
  return (
    SAID.every((field) => one[field] === other[field]) &&
    one.uuid.every((byte, at) => byte === other.uuid[at])
  )
}
