import { Shrinking, shorten } from '../runs/shrinking.ts'
import type { RingUnderTest } from './guarantees.ts'
import type { Plan } from './plan.ts'
import { type Outcome, simulate } from './simulation.ts'

/** Runs that shrinking takes at most. */
const MAX_RUNS = 600

/**
 * Makes a failing plan smaller, as long as it violates a guarantee of the same kind: leaves out steps, moments and
 * request faults, and makes items small.
 * @returns the outcome of the smallest plan found, with its trace
 */
export async function shrink(ring: RingUnderTest, failing: Outcome): Promise<Outcome> {
  const shrinking = new Shrinking(failing, (plan: Plan) => simulate(ring, plan), MAX_RUNS)
  const { attempt } = shrinking
  const best = (): Outcome => shrinking.best
  for (let size = Number.POSITIVE_INFINITY; size > sizeOf(best()) && !shrinking.isOver; ) {
    size = sizeOf(best())
    await shrinkFaults(best, attempt)
    for (const list of ['producer', 'consumer', 'events'] as const) {
      await shorten<unknown>(best().plan[list], (shorter) =>
        attempt({ ...best().plan, [list]: shorter }),
      )
    }
    const { reader } = best().plan
    if (reader !== undefined) {
      await shorten(reader.steps, (steps) =>
        attempt({ ...best().plan, reader: { ...reader, steps } }),
      )
    }
    await shrinkItems(() => best().plan, attempt)
  }
  return simulate(ring, best().plan, true)
}

function sizeOf(outcome: Outcome): number {
  const { producer, consumer, events } = outcome.plan
  const reading = outcome.plan.reader?.steps.length ?? 0
  return producer.length + consumer.length + reading + events.length + outcome.fired.length
}

type Attempt = (plan: Plan) => Promise<boolean>

/** Leaves out the request faults that happened: all, or one after the other. */
async function shrinkFaults(best: () => Outcome, attempt: Attempt): Promise<void> {
  const without = (names: readonly string[]): Plan => {
    const { plan } = best()
    return { ...plan, without: [...plan.without, ...names] }
  }
  if (best().fired.length === 0 || (await attempt(without(best().fired)))) return
  for (const name of best().fired) {
    if (best().fired.includes(name)) await attempt(without([name]))
  }
}

/** Replaces pushes of several items, or of a large one, by one small item. */
async function shrinkItems(plan: () => Plan, attempt: Attempt): Promise<void> {
  for (let at = 0; at < plan().producer.length; at++) {
    for (const size of [3, 100]) {
      const step = plan().producer[at]
      if (step === undefined || !('sizes' in step)) break
      if (step.sizes.length === 1 && (step.sizes[0] as number) <= size) break
      const producer = [...plan().producer]
      producer[at] =
        step.kind === 'zombie' ? { ...step, sizes: [size] } : { ...step, sizes: [size] }
      if (await attempt({ ...plan(), producer })) break
    }
  }
}
