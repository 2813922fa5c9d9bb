import { createHash } from 'node:crypto'
import { stateBroken } from './history.ts'
import type { Protocol, State } from './machine.ts'
import { type Step, type Transition, transitions } from './steps.ts'

/** All that can be reached from the initial state, breadth first. */
export interface Graph {
  readonly states: number
  readonly transitions: number
  /** Of each state, the state from which it was found first, and the step. */
  readonly parents: readonly { readonly from: number; readonly step: Step }[]
  /** The states that each state leads to. */
  readonly successors: readonly (readonly number[])[]
  /** States in which all is drained and the whole ring is free. */
  readonly quiescent: readonly number[]
  /**
   * For each kind of step (which role does what at which point, and where the other role is then), the first one found.
   */
  readonly kinds: ReadonlyMap<string, { readonly from: number; readonly step: Step }>
}

/** A shortest path to a violated guarantee. */
export interface Counterexample {
  readonly broken: string
  readonly trace: readonly Step[]
}

/** Either all states, in which every guarantee holds, or a counterexample. */
export type Exploration = { readonly graph: Graph } | { readonly counterexample: Counterexample }

/** Explores all states of a protocol, up to the budget that its initial state has. */
export function explore<P, C, U>(
  protocol: Protocol<P, C, U>,
  maxStates: number = 1_000_000,
): Exploration {
  const parents: { readonly from: number; readonly step: Step }[] = []
  const successors: number[][] = []
  const quiescent: number[] = []
  const kinds = new Map<string, { readonly from: number; readonly step: Step }>()
  const found = new Map<string, number>()
  const queue: (State<P, C, U> | undefined)[] = []
  let edges = 0
  const broken = (text: string, from: number, step?: Step): Exploration => ({
    counterexample: { broken: text, trace: [...pathTo(parents, from), ...(step ? [step] : [])] },
  })
  const visit = (state: State<P, C, U>, from: number, step: Step): number => {
    const key = keyOf(protocol, state)
    const known = found.get(key)
    if (known !== undefined) return known
    const index = queue.length
    found.set(key, index)
    queue.push(state)
    parents.push({ from, step })
    successors.push([])
    if (protocol.quiescent(state)) quiescent.push(index)
    return index
  }
  visit(protocol.initial, -1, { actor: 'power', does: 'start' })
  for (let index = 0; index < queue.length; index++) {
    if (index > maxStates) throw new Error(`there are more than ${maxStates} states`)
    const state = queue[index] as State<P, C, U>
    queue[index] = undefined
    const wrong = stateBroken(protocol, state)
    if (wrong !== undefined) return broken(wrong, index)
    for (const transition of transitions(protocol, state)) {
      edges++
      if (transition.broken !== undefined) return broken(transition.broken, index, transition.step)
      const kind = kindOf(state, transition.step)
      if (!kinds.has(kind)) kinds.set(kind, { from: index, step: transition.step })
      const to = visit(transition.state, index, transition.step)
      if (to !== index) successors[index]?.push(to)
    }
  }
  const stuck = firstStuck(successors, quiescent)
  if (stuck !== undefined) return broken('from here the ring can never be drained and free', stuck)
  return {
    graph: { states: queue.length, transitions: edges, parents, successors, quiescent, kinds },
  }
}

function keyOf<P, C, U>(protocol: Protocol<P, C, U>, state: State<P, C, U>): string {
  const text = protocol.canonical?.(state) ?? JSON.stringify(state)
  return createHash('md5').update(text).digest('base64')
}

/** What a step does, and at which point both roles are. */
function kindOf<P, C, U>({ producer, consumer }: State<P, C, U>, step: Step): string {
  const points = [producer, consumer].map((role) =>
    role === undefined ? 'absent' : `${role.call ?? 'idle'}.${role.pending?.after ?? ''}`,
  )
  return [step.actor, step.does, step.answer?.status, ...points].join(' ')
}

/** The first state from which nothing leads to a quiescent one. */
function firstStuck(
  successors: readonly (readonly number[])[],
  quiescent: readonly number[],
): number | undefined {
  const predecessors = successors.map((): number[] => [])
  for (const [from, targets] of successors.entries()) {
    for (const to of targets) predecessors[to]?.push(from)
  }
  const good = new Set(quiescent)
  const work = [...quiescent]
  for (let state = work.pop(); state !== undefined; state = work.pop()) {
    for (const before of predecessors[state] ?? []) {
      if (good.has(before)) continue
      good.add(before)
      work.push(before)
    }
  }
  const stuck = successors.findIndex((_targets, index) => !good.has(index))
  return stuck < 0 ? undefined : stuck
}

/** The steps from the initial state to a state. */
export function pathTo(parents: Graph['parents'], state: number): readonly Step[] {
  const path: Step[] = []
  for (let at = state; at > 0; ) {
    const parent = parents[at]
    if (parent === undefined) throw new RangeError(`there is no state ${at}`)
    path.push(parent.step)
    at = parent.from
  }
  return path.reverse()
}

/** A trace for people: one step a line. */
export function describe(trace: readonly Step[]): string {
  return trace.map(describeStep).join('\n')
}

function describeStep({ actor, does, kept, answer }: Step): string {
  const item = answer?.item === undefined ? '' : ` ${answer.item}`
  const answers = answer === undefined ? '' : ` -> ${answer.status}${item}`
  return `${actor} ${does}${kept === undefined ? '' : ` keeps ${kept.join('')}`}${answers}`
}

/** The transition that a step of a trace stands for. */
export function follow<P, C, U>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
  step: Step,
): Transition<State<P, C, U>> {
  const wanted = JSON.stringify(step)
  for (const transition of transitions(protocol, state)) {
    if (JSON.stringify(transition.step) === wanted) return transition
  }
  throw new Error(`there is no such step: ${describeStep(step)}`)
}
