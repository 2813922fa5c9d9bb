import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import type { PoppedItem } from '../../ring/types.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import type { ObservedSimulation } from './observed-simulation.ts'

/**
 * Reads the items on a device without a role, from a machine of its own, and has the oracle check that they were
 * pushed.
 */
export class Onlooker {
  readonly #simulation: ObservedSimulation
  readonly #process: SimProcess
  #device: BlockDevice | undefined

  constructor(simulation: ObservedSimulation) {
    this.#simulation = simulation
    this.#process = new SimProcess(
      simulation.world,
      new SimHost('onlooker'),
      new RequestNames('onlooker'),
    )
  }

  /** * Call it while both roles are idle. */
  async check(which: 'waiting' | 'consumed'): Promise<void> {
    const { ring, oracle, guarantees, world } = this.#simulation
    if (ring.past === undefined) return
    this.#device ??= await this.#simulation.observe(this.#process)
    const found: PoppedItem[] = []
    try {
      for await (const item of ring.past(this.#device, which)) found.push(item)
    } catch (error) {
      const code = isRingError(error) ? error.code : undefined
      // Going backward, a damaged batch hides those before it.
      const isHidden = code === 'RING_CORRUPT' && guarantees.errors.has('RING_DAMAGED')
      if (!isHidden && (code === undefined || !guarantees.errors.has(code))) throw error
    }
    world.trace(() => `${which}: ${found.length} items found`)
    oracle.foundPast(found)
  }
}
