export { SimDevice } from './device.ts'
export { type Choose, type DiskCopy, SimDisk, type SimDiskOptions } from './disk.ts'
export {
  type Exhausted,
  type ExhaustOptions,
  exhaust,
  LETTERS,
  type Letter,
  scriptsOf,
  smallestShape,
} from './exhaust.ts'
export {
  DEFAULT_STEPS,
  type Exploration,
  type ExploreOptions,
  explain,
  explore,
  runSeed,
} from './explore.ts'
export {
  EVENT_FAULTS,
  type EventFault,
  type FaultKind,
  type FaultRates,
  MIX_NAMES,
  MIXES,
  type Mix,
  mixOf,
  REQUEST_FAULTS,
  type RequestFault,
  SETTINGS,
  type Setting,
} from './faults.ts'
export { format1 } from './format1.ts'
export { format2, format2Overwrite } from './format2.ts'
export { ConsumerSession, Oracle, type Popping, Violation } from './oracle.ts'
export {
  type ConsumerStep,
  type FaultEvent,
  faultsOf,
  type Plan,
  type ProducerStep,
  planOf,
  type Size,
} from './plan.ts'
export { Place, SimHost, SimProcess } from './process.ts'
export type { Depth, Promises, RingUnderTest, Shape } from './promises.ts'
export { mix, nameOf, Random } from './random.ts'
export { report } from './report.ts'
export { RINGS, ringNamed } from './rings.ts'
export { type Scheduled, Scheduler, type Stop } from './scheduler.ts'
export { shrink } from './shrink.ts'
export { type Broken, type Outcome, Simulation, simulate } from './simulation.ts'
export { addCounts, noCounts, type SimCounts, World } from './world.ts'
