/**
 * The simulator that the rings are tested with: seeds and exhaustive runs, and the disk beneath them. Experimental: any
 * version may change it.
 *
 * @experimental
 * @module shared-block-ring/sim
 */

export { groups } from './groups/explore.ts'
export { leases } from './hosts/explore.ts'
export {
  HOSTS_MIXES,
  type HostsPlan,
  type HostTraits,
  hostsPlanOf,
  type Mishap,
  type MishapKind,
} from './hosts/plan.ts'
export { shrinkHosts } from './hosts/shrink.ts'
export { type HostsOutcome, simulateHosts } from './hosts/simulation.ts'
export { simulatedNamed } from './named.ts'
export { pools } from './pools/explore.ts'
export {
  checkScripts,
  type Exhausted,
  type ExhaustOptions,
  exhaust,
  LETTERS,
  type Letter,
  scriptsOf,
  smallestShape,
} from './ring/exhaust.ts'
export { runSeed, simulatedRing } from './ring/explore.ts'
export { format1 } from './ring/format1.ts'
export {
  format2,
  format2Overwrite,
  format2OverwriteReader,
  format2Reader,
  format2Work,
} from './ring/format2.ts'
export type { Depth, Guarantees, RingUnderTest, Shape } from './ring/guarantees.ts'
export { ringNamed } from './ring/rings.ts'
export type { Storage, StorageKind } from './ring/storage.ts'
export { storageNamed } from './ring/storages.ts'
export {
  addCounts,
  type Explored,
  type ExploreOptions,
  exploreSeeds,
  type SeedOptions,
  type SeedOutcome,
  type Simulated,
} from './runs/simulated.ts'
export { SimDevice } from './world/device.ts'
export { type Choose, type DiskCopy, SimDisk, type SimDiskOptions } from './world/disk.ts'
export { type FaultKind, MIXES, type Mix, mixOf } from './world/faults.ts'
export { Random } from './world/random.ts'
