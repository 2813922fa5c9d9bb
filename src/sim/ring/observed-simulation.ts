import type { BlockDevice } from '../../block/device.ts'
import type { SimProcess } from '../world/process.ts'
import type { World } from '../world/world.ts'
import type { ConsumerActor } from './consumer-actor.ts'
import type { Guarantees, RingUnderTest } from './guarantees.ts'
import type { Oracle } from './oracle.ts'
import type { ProducerActor } from './producer-actor.ts'

/** The part of a simulation that its checks use. */
export interface ObservedSimulation {
  readonly ring: RingUnderTest
  readonly world: World
  readonly oracle: Oracle
  readonly guarantees: Guarantees
  readonly producer: ProducerActor
  readonly consumer: ConsumerActor
  /** The device, as a process of neither role sees it. */
  observe(process: SimProcess): Promise<BlockDevice>
  /**
   * Judges an error of the ring, or of opening its device.
   * @returns whether the handle has ended
   */
  judge(what: string, error: unknown): boolean
}
