/**
 * Many rings as one: fan-in, fan-out, partitions, and groups of consumers.
 *
 * @module shared-block-ring/fan
 */
export { type FanIn, type FanInOptions, type Received, receiveFrom } from './fan-in.ts'
export { Group, type GroupOptions } from './group.ts'
export {
  isPartialPushError,
  PartialPushError,
  type PartialPushErrorCode,
  type PartialPushErrorDetails,
} from './partial-push-error.ts'
export {
  type PartitionedPosition,
  type PartitionedWriter,
  type PartitionKey,
  partitioned,
  partitionOf,
} from './partitioned.ts'
export { type Repartitioned, type RepartitionOptions, repartition } from './repartition.ts'
export {
  type Branch,
  type DroppedBranch,
  type OnSlow,
  type Tee,
  type TeeOptions,
  tee,
} from './tee.ts'
