/**
 * The simulator that the rings are tested with: seeds and exhaustive runs, and the disk beneath them. Experimental: any version may
 * change it.
 *
 * @experimental
 * @module shared-block-ring/sim
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
export { runSeed, simulatedRing } from './explore.ts'
export { type FaultKind, MIXES, type Mix, mixOf } from './faults.ts'
export { format1 } from './format1.ts'
export {
  format2,
  format2Overwrite,
  format2OverwriteReader,
  format2Reader,
  format2Work,
} from './format2.ts'
export { groups } from './groups/explore.ts'
export type { Depth, Guarantees, RingUnderTest, Shape } from './guarantees.ts'
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
export { Random } from './random.ts'
export { ringNamed } from './rings.ts'
export {
  addCounts,
  type Explored,
  type ExploreOptions,
  exploreSeeds,
  type SeedOptions,
  type SeedOutcome,
  type Simulated,
} from './simulated.ts'
export type { Storage, StorageKind } from './storage.ts'
export { storageNamed } from './storages.ts'
