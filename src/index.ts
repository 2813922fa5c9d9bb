/**
 * Rings: a writer and a reader that wait, the primitives that never do, positions, and all errors.
 *
 * @module shared-block-ring
 */
export type { BlockDevice } from './block/device.ts'
export { type Clock, type SleepOptions, systemClock } from './clock.ts'
export type { Codec } from './codec/codec.ts'
export {
  type AnyRingError,
  BlockError,
  type BlockErrorCode,
  type BlockErrorDetails,
  CodecError,
  type CodecErrorCode,
  type CodecErrorDetails,
  type CodedError,
  formatBlockError,
  formatBlockWriteError,
  isBlockError,
  isCodecError,
  isRingError,
  RingError,
  type RingErrorCode,
  type RingErrorDetails,
  type RingErrorDetailsOf,
} from './errors.ts'
export type { Position } from './position.ts'
export { Consumer, Producer } from './ring/access/attach.ts'
export type { LeaseEvent } from './ring/format2/lease/events.ts'
export type { CorrectionEvent } from './ring/format2/log/correction.ts'
export type { LeaseOptions, LeaseRecord } from './ring/lease-types.ts'
export type { RingEntry } from './ring/queue/entry.ts'
export type {
  CompletedPushes,
  HandleNames,
  PushedTogether,
  ReaderEvent,
  ReceivedEntry,
  WriterEvent,
} from './ring/queue/events.ts'
export type { LazyAckOptions } from './ring/queue/lazy-ack-options.ts'
export type { PollOptions, WakeCause } from './ring/queue/poll.ts'
export type { HandlerVerdict } from './ring/queue/process/handler-verdict.ts'
export type {
  AttemptStore,
  DeadLetter,
  DeadLetterFunction,
  DeadLetterSink,
  EncodedSink,
  FailedAttempt,
  Handler,
  Job,
  ProcessOptions,
  ProcessSummary,
  RetryOptions,
  SucceededAttempts,
  WorkEvent,
} from './ring/queue/process/types.ts'
export {
  isWorkError,
  WorkError,
  type WorkErrorCode,
  type WorkErrorDetails,
} from './ring/queue/process/work-error.ts'
export { RingReader } from './ring/queue/reader.ts'
export type {
  FlushOptions,
  ReaderOptions,
  ReceiveManyOptions,
  ReceiveOptions,
  SeekOptions,
} from './ring/queue/reader-options.ts'
export type { HeldEvent, Unacked } from './ring/queue/unacked-limit.ts'
export { RingWriter } from './ring/queue/writer.ts'
export type {
  TryPushManyResult,
  TryPushResult,
  WriterOptions,
} from './ring/queue/writer-options.ts'
export type { Role } from './ring/roles.ts'
export type { DamageEvent } from './ring/shared/damage.ts'
export { formatPosition, parsePosition } from './ring/shared/position-text.ts'
export type { TraceEvent, TraceKey } from './ring/trace.ts'
export type {
  AttachOptions,
  AttachProducerResult,
  Closed,
  ConsumerOptions,
  Created,
  CreateOptions,
  DebugInfo,
  NewRingOptions,
  PopManyOptions,
  PoppedItem,
  PopResult,
  Pushed,
  PushManyResult,
  PushResult,
  RingRole,
  RingState,
  SuspendResult,
} from './ring/types.ts'
export type { BackoffOptions } from './tasks/backoff.ts'
export type { WaitingOptions } from './util/waiting.ts'
