import { expect } from 'vitest'
import { SEED } from '../helpers/seed.ts'
import { coveringTraces, replayAll, walk } from './coverage.ts'
import { type Counterexample, describe, explore, type Graph } from './explorer.ts'
import type { Concrete } from './replay.ts'
import type { Scenario } from './scenario.ts'

/** Explores a protocol that keeps its guarantees, and says how large it is. */
export function expectHolds<P, C, U>(name: string, { protocol }: Scenario<P, C, U>): Graph {
  const exploration = explore(protocol)
  if ('counterexample' in exploration) throw new Error(text(exploration.counterexample))
  const { graph } = exploration
  expect(graph.quiescent.length).toBeGreaterThan(0)
  const { states, transitions, kinds } = graph
  console.log(`${name}: ${states} states, ${transitions} transitions, ${kinds.size} kinds of steps`)
  return graph
}

/** Explores a protocol without a rule, and returns how that violates a guarantee. */
export function counterexample<P, C, U>({ protocol }: Scenario<P, C, U>): Counterexample {
  const exploration = explore(protocol)
  if ('counterexample' in exploration) return exploration.counterexample
  throw new Error(`all guarantees hold in all ${exploration.graph.states} states`)
}

/** A counterexample for people. */
export function text({ broken, trace }: Counterexample): string {
  return `${broken}\n${describe(trace)}`
}

/** Replays a step of every kind, and walks at random, against the production code. */
export async function expectFollows<P, C, U>(
  scenario: Scenario<P, C, U>,
  concrete: Concrete,
  graph: Graph,
  walks: { readonly count: number; readonly length: number },
): Promise<void> {
  const traces = coveringTraces(graph)
  const steps = await replayAll(scenario, concrete, traces)
  expect(steps).toBeGreaterThan(traces.length)
  for (let index = 0; index < walks.count; index++) {
    await walk(scenario, concrete, SEED + index, walks.length)
  }
}
