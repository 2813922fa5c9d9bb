import { type BadBlock, isBad } from './block.ts'
import type { Superblock, UnknownFeatures } from './superblock.ts'

/** An offset where a superblock can be, and the block found there. */
export interface SuperblockCopy {
  readonly offset: number
  readonly superblock: Superblock | UnknownFeatures | BadBlock
}

/** A superblock with a valid checksum. */
export interface ValidCopy extends SuperblockCopy {
  readonly superblock: Superblock | UnknownFeatures
}

/** True if a superblock's checksum holds. */
export function isValidCopy(copy: SuperblockCopy): copy is ValidCopy {
  return !isBad(copy.superblock)
}

/** True if the ring has features that this version does not know. */
export function isUnknown(superblock: ValidCopy['superblock']): superblock is UnknownFeatures {
  return 'incompatible' in superblock
}

const SAID = ['blockSize', 'deviceBytes', 'dataOffset', 'dataBlocks', 'overwrites', 'name'] as const

/** True if two copies are equal. */
export function isSameRing(one: ValidCopy['superblock'], other: ValidCopy['superblock']): boolean {
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
