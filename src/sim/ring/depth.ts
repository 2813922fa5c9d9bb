import type { BlockDevice } from '../../block/device.ts'
import { Violation } from '../runs/violation.ts'
import { RequestNames, SimHost, SimProcess } from '../world/process.ts'
import type { ObservedSimulation } from './observed-simulation.ts'

/** Inspects the number of unacknowledged items, from a machine of its own, and compares it with the oracle's. */
export class DepthGauge {
  readonly #simulation: ObservedSimulation
  readonly #process: SimProcess
  #device: BlockDevice | undefined

  constructor(simulation: ObservedSimulation) {
    const host = new SimHost('gauge')
    this.#simulation = simulation
    this.#process = new SimProcess(simulation.world, host, new RequestNames('gauge'))
  }

  /**
   * Call it while both roles are idle.
   * @param next the number of the item after the last acknowledged one; undefined if unknown
   */
  async check(next: number | undefined): Promise<void> {
    const { ring, oracle, guarantees, world } = this.#simulation
    const { losses, lossless } = guarantees
    if (ring.depth === undefined || next === undefined || !lossless || losses.damaged) return
    const lengths = oracle.waiting(next)
    if (lengths === undefined) return
    this.#device ??= await this.#simulation.observe(this.#process)
    const { items, bytes } = await ring.depth(this.#device)
    world.trace(() => `depth: ${items ?? '?'} items, ${bytes ?? '?'} bytes`)
    compare('items', items, lengths.length)
    const expected = lengths.reduce((sum, length) => sum + (ring.depthBytes?.(length) ?? 0), 0)
    if (ring.depthBytes !== undefined) compare('bytes', bytes, expected)
  }
}

function compare(what: string, said: number | undefined, expected: number): void {
  if (said === undefined || said === expected) return
  throw new Violation('depth', `the ring says ${said} ${what}, but ${expected} wait`)
}
