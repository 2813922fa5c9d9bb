export { BaseBlockDevice } from './block/base.ts'
export type { ClaimNotice } from './block/claim/notices.ts'
export type {
  AskOptions,
  BlockCapabilities,
  BlockClaim,
  BlockDevice,
  BlockHolder,
  BlockInfo,
  BlockWatch,
  ClaimOptions,
  WriteOptions,
} from './block/device.ts'
export { MemoryBlockDevice, type MemoryBlockDeviceOptions } from './block/memory.ts'
export { CheckedBlockDevice } from './block/wrap/checked.ts'
export { PartitionBlockDevice, type PartitionOptions } from './block/wrap/partition.ts'
export { ReadOnlyBlockDevice } from './block/wrap/readonly.ts'
export { BLOCK_CHANNEL, type BlockTrace, TracedBlockDevice } from './block/wrap/traced.ts'
export { type Clock, type SleepOptions, systemClock } from './clock.ts'
export type { Codec } from './codec/codec.ts'
export {
  BlockError,
  type BlockErrorCode,
  type BlockErrorDetails,
  type BlockWriteErrorCode,
  CodecError,
  type CodecErrorDetails,
  formatError,
  formatWriteError,
  isBlockError,
  isCodecError,
  isRingError,
  RingError,
  type RingErrorCode,
  type RingErrorDetails,
} from './errors.ts'
export type { Position } from './position.ts'
export { Consumer, inspectRing, Producer } from './ring/attach.ts'
export { type RingHolders, whoHolds } from './ring/holders.ts'
export { breakLease, type RingLeases, readLeases } from './ring/lease.ts'
export type {
  LeaseOptions,
  LeaseRecord,
  LeaseState,
  UnreadableLease,
} from './ring/lease-types.ts'
export { dumpAt, repairRing, verifyRing } from './ring/maintenance/index.ts'
export { type Migrated, type MigrateOptions, migrateRing } from './ring/maintenance/migrate.ts'
export { formatPosition, parsePosition } from './ring/position-text.ts'
export type { RingEntry } from './ring/queue/entry.ts'
export type { HeldMessage, Unacked } from './ring/queue/hold.ts'
export type { LazyAckOptions } from './ring/queue/lazy-acknowledgements.ts'
export type { WaitOptions } from './ring/queue/poll.ts'
export {
  type ReaderOptions,
  type ReceiveManyOptions,
  RingReader,
  type SeekOptions,
} from './ring/queue/reader.ts'
export { resumeRing, type SuspendOptions, suspendRing } from './ring/queue/suspend.ts'
export {
  RingWriter,
  type TryPushResult,
  type WaitingOptions,
  type WriterOptions,
} from './ring/queue/writer.ts'
export type { Dump, DumpField, DumpOptions } from './ring/report/dump.ts'
export type {
  Finding,
  LogCounts,
  RingReport,
  Severity,
  VerifyOptions,
} from './ring/report/finding.ts'
export type { RepairAction, RepairOptions, RepairReport } from './ring/report/repair.ts'
export type { TraceKey, TraceMessage } from './ring/trace.ts'
export type {
  AttachOptions,
  AttachProducerResult,
  ByteRange,
  ConsumerOptions,
  CreateOptions,
  DebugInfo,
  InspectOptions,
  PopManyOptions,
  PoppedItem,
  PopResult,
  Pushed,
  PushManyResult,
  PushResult,
  RingInspection,
  RingState,
  RingStats,
  Role,
  SuspendResult,
} from './ring/types.ts'
