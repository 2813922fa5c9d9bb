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
export type { Dump, DumpField, DumpOptions } from './ring/dump.ts'
export { type RingHolders, whoHolds } from './ring/holders.ts'
export type { LazyAdvanceOptions } from './ring/lazy-advance.ts'
export { breakLease, type RingLeases, readLeases } from './ring/lease.ts'
export type {
  LeaseOptions,
  LeaseRecord,
  LeaseState,
  UnreadableLease,
} from './ring/lease-types.ts'
export { type Migrated, type MigrateOptions, migrateRing } from './ring/migrate.ts'
export { formatPosition, parsePosition } from './ring/position.ts'
export { type Entry, type NextManyOptions, type ReaderOptions, RingReader } from './ring/reader.ts'
export type { RepairAction, RepairOptions, RepairReport } from './ring/repair.ts'
export type {
  Finding,
  LogCounts,
  RingReport,
  Severity,
  VerifyOptions,
} from './ring/report.ts'
export { Consumer, inspectRing, Producer } from './ring/ring.ts'
export { resumeRing, type SuspendOptions, suspendRing } from './ring/suspend.ts'
export { dumpAt, repairRing, verifyRing } from './ring/tools.ts'
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
export type { WaitOptions } from './ring/wait.ts'
export { RingWriter, type WaitingOptions, type WriterOptions } from './ring/writer.ts'
