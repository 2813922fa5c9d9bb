/**
 * Block devices: the interface, a device in memory, devices that wrap others, work on whole devices, and what a
 * back-end of your own is made of.
 *
 * @module shared-block-ring/block
 */

export { BLOCK_ERROR_CODES } from '../errors.ts'
export { BaseBlockDevice } from './base.ts'
export type { ClaimEvent } from './claim/events.ts'
export {
  type AskOptions,
  type BlockCapabilities,
  type BlockClaim,
  type BlockDevice,
  type BlockHints,
  type BlockHolder,
  type BlockInfo,
  type BlockWatch,
  type ClaimOptions,
  NO_CAPABILITIES,
  type RequestOptions,
  type WriteOptions,
} from './device.ts'
export { LocalClaims } from './local-claims.ts'
export { MemoryBlockDevice, type MemoryBlockDeviceOptions } from './memory.ts'
export {
  type Comparison,
  compare,
  copy,
  type EraseDeviceOptions,
  erase,
  type FillDeviceOptions,
  type FoldHole,
  type FoldPiece,
  type FoldStep,
  fill,
  fold,
  foldMapped,
  foldUnmapped,
  type OperationOptions,
  type SparseCopyOptions,
  sparseCopy,
} from './ops/index.ts'
export type { Permit } from './permit.ts'
export { claimedError, unsupportedError } from './validate.ts'
export { CheckedBlockDevice } from './wrap/checked.ts'
export { PartitionBlockDevice, type PartitionOptions } from './wrap/partition.ts'
export { ReadOnlyBlockDevice } from './wrap/readonly.ts'
export { type BlockEvent, TracedBlockDevice } from './wrap/traced.ts'
