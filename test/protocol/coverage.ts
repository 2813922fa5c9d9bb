import { Random } from '../../src/sim/world/random.ts'
import { type Graph, pathTo } from './explorer.ts'
import type { Concrete } from './replay.ts'
import { Replay } from './replay.ts'
import type { Scenario } from './scenario.ts'
import { type Step, transitions } from './steps.ts'

/** Traces that together have a step of every kind, each as short as can be. */
export function coveringTraces({ kinds, parents }: Graph): readonly (readonly Step[])[] {
  const traces = [...kinds.values()].map(({ from, step }) => [...pathTo(parents, from), step])
  const keys = traces.map((trace) => trace.map((step) => JSON.stringify(step)).join())
  // A trace that another one begins with is covered by it.
  const sorted = keys.map((key, at) => ({ key, at })).sort((a, b) => (a.key < b.key ? -1 : 1))
  return sorted
    .filter(({ key }, index) => sorted[index + 1]?.key.startsWith(key) !== true)
    .map(({ at }) => traces[at] as readonly Step[])
}

/** Replays traces against the production code, and returns how many steps that took. */
export async function replayAll<P, C, U>(
  { protocol, whole, prelude, empty }: Scenario<P, C, U>,
  concrete: Concrete,
  traces: readonly (readonly Step[])[],
): Promise<number> {
  let steps = 0
  for (const trace of traces) {
    const replay = await Replay.begin(whole, concrete, empty)
    for (const step of prelude) await replay.step(step)
    replay.allow(protocol.initial.left)
    for (const step of trace) await replay.step(step)
    steps += replay.steps
  }
  return steps
}

/** Walks at random through a protocol and the production code at once, and returns what kinds of steps it took. */
export async function walk<P, C, U>(
  { protocol, whole, prelude, empty }: Scenario<P, C, U>,
  concrete: Concrete,
  seed: number,
  length: number,
): Promise<number> {
  const random = Random.of(seed)
  const replay = await Replay.begin(whole, concrete, empty)
  for (const step of prelude) await replay.step(step)
  for (let done = 0; done < length; done++) {
    // Crashes are rare enough for something to happen between them.
    const crash = random.below(12) === 0 ? 1 : 0
    replay.allow({ push: 1, crash: 1, suspendRequest: random.below(4) === 0 ? 1 : 0 })
    const steps = [...transitions(protocol, replay.state)].map(({ step }) => step)
    const wanted = steps.filter((step) => isCrash(step) === (crash === 1))
    await replay.step(random.pick(wanted.length > 0 ? wanted : steps))
  }
  return replay.steps
}

function isCrash({ does }: Step): boolean {
  return does === 'kill' || does === 'cut' || does === 'detach'
}
