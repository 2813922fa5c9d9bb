/**
 * Tools for rings of either format. They take no role, except to move a ring, and most work while both sides run.
 *
 * @module shared-block-ring/tools
 */

export { type RingHolders, whoHolds } from './ring/access/holders.ts'
export { inspectRing } from './ring/access/inspect.ts'
export {
  breakLease,
  type LeaseToolOptions,
  type RingLeases,
  readLeases,
} from './ring/access/lease.ts'
export type {
  Followed,
  FollowOptions,
  InspectOptions,
  RingFollower,
  RingInspection,
  RingStats,
} from './ring/inspection.ts'
export type { LeaseState, UnreadableLease } from './ring/lease-types.ts'
export { dumpAt } from './ring/maintenance/dump.ts'
export { type Migrated, type MigrateOptions, migrateRing } from './ring/maintenance/migrate.ts'
export { repairRing } from './ring/maintenance/repair.ts'
export { verifyRing } from './ring/maintenance/verify.ts'
export { resumeRing, type SuspendOptions, suspendRing } from './ring/queue/suspend.ts'
export type { DumpOptions, RingDump, RingDumpField, RingStructure } from './ring/report/dump.ts'
export type {
  Finding,
  LogCounts,
  RingReport,
  Severity,
  VerifyOptions,
} from './ring/report/finding.ts'
export type { RepairAction, RepairOptions, RepairReport } from './ring/report/repair.ts'
export type { Role } from './ring/roles.ts'
export type { ByteRange } from './ring/types.ts'
