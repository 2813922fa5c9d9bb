/**
 * The simulator that the rings are tested with. Experimental: any version may change it.
 *
 * @experimental
 * @packageDocumentation
 */
export { SimDevice } from './device.ts'
export { type Choose, type DiskCopy, SimDisk, type SimDiskOptions } from './disk.ts'
export {
  checkScripts,
  type Exhausted,
  type ExhaustOptions,
  exhaust,
  LETTERS,
  type Letter,
  scriptsOf,
  smallestShape,
} from './exhaust.ts'
export { DEFAULT_STEPS, explain, explore, runSeed, simulatedRing } from './explore.ts'
export {
  DEVICE_FAULTS,
  type DeviceFault,
  EVENT_FAULTS,
  type EventFault,
  type FaultKind,
  type FaultRates,
  MIXES,
  type Mix,
  mixOf,
  REQUEST_FAULTS,
  type RequestFault,
  SETTINGS,
  type Setting,
} from './faults.ts'
export { format1 } from './format1.ts'
export {
  format2,
  format2Hostile,
  format2Overwrite,
  format2OverwriteReader,
  format2Reader,
  format2Work,
} from './format2.ts'
export type { Depth, Guarantees, RingUnderTest, Shape } from './guarantees.ts'
export type { HostsCounts } from './hosts/counts.ts'
export { leases } from './hosts/explore.ts'
export type { PauseKind } from './hosts/host.ts'
export {
  CLOCK_RATES,
  HOSTS_MIXES,
  type HostsPlan,
  type HostTraits,
  hostsPlanOf,
  type Mishap,
  type MishapKind,
} from './hosts/plan.ts'
export { shrinkHosts } from './hosts/shrink.ts'
export { type HostsOutcome, simulateHosts } from './hosts/simulation.ts'
export { ConsumerSession, Oracle, type Popping, Violation } from './oracle.ts'
export {
  type ConsumerStep,
  type FaultEvent,
  faultsOf,
  type Plan,
  type ProducerStep,
  planOf,
  type ReaderPlan,
  type ReaderStep,
  type Size,
} from './plan.ts'
export { RequestNames, SimHost, SimProcess } from './process.ts'
export { mix, nameOf, Random } from './random.ts'
export { report, reportOf } from './report.ts'
export { RINGS, ringNamed } from './rings.ts'
export { type Scheduled, Scheduler, type Stop } from './scheduler.ts'
export { shorten, shrink } from './shrink.ts'
export {
  type Explored,
  type ExploreOptions,
  exploreSeeds,
  type SeedOptions,
  type SeedOutcome,
  type Simulated,
} from './simulated.ts'
export { type Broken, type Outcome, Simulation, simulate } from './simulation.ts'
export { diskStorage, type Storage, type StorageContext, type StorageKind } from './storage.ts'
export { STORAGES, storageNamed } from './storages.ts'
export { addCounts, noCounts, type SimCounts, World } from './world.ts'
