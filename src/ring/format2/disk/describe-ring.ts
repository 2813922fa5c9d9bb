import { formatUuid } from './block.ts'
import type { UnknownFeatures } from './superblock.ts'
import { isUnknown, type ValidCopy } from './superblock-copy.ts'

/** A superblock as text. */
export function describeRing(superblock: ValidCopy['superblock']): string {
  if (isUnknown(superblock)) return `features that are unknown (${featuresOf(superblock)})`
  const { uuid, blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name } = superblock
  const rest = { blockSize, deviceBytes, dataOffset, dataBlocks, overwrites, name }
  return `${formatUuid(uuid)} ${JSON.stringify(rest)}`
}

/** The features that this version does not know, as text. */
export function featuresOf({ incompatible, readOnlyCompatible }: UnknownFeatures): string {
  return `incompatible ${incompatible}, read-only compatible ${readOnlyCompatible}`
}
