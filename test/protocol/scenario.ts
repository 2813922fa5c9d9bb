import type { Budget, Protocol, State } from './machine.ts'
import { type Step, transitions } from './steps.ts'

/** A protocol that is explored from a state which steps without a fault lead to. */
export interface Scenario<P, C, U> {
  readonly protocol: Protocol<P, C, U>
  /** The same with all calls, as the prelude needs it. */
  readonly whole: Protocol<P, C, U>
  /** The steps from an empty ring to where the exploration begins. */
  readonly prelude: readonly Step[]
  /** The empty ring. */
  readonly empty: State<P, C, U>
}

/**
 * Makes calls one after the other, each to its end; then the exploration begins, with the budget of the protocol.
 * @param calls for example `producer append`
 */
export function scenario<P, C, U>(
  protocol: Protocol<P, C, U>,
  calls: readonly string[],
): Scenario<P, C, U> {
  const left: Budget = { push: 100, crash: 0, suspendRequest: 0 }
  const { only: _only, ...whole } = protocol
  const empty: State<P, C, U> = { ...protocol.initial, left }
  let state = empty
  const prelude: Step[] = []
  const step = (name: string): void => {
    for (const transition of transitions(whole, state)) {
      if (`${transition.step.actor} ${transition.step.does}` !== name) continue
      if (transition.broken !== undefined) throw new Error(transition.broken)
      prelude.push(transition.step)
      state = transition.state
      return
    }
    throw new Error(`the prelude cannot do ${name}`)
  }
  for (const call of calls) {
    step(call)
    for (const actor of ['producer', 'consumer'] as const) {
      for (let pending = state[actor]?.pending; pending !== undefined; ) {
        const effect = pending.kind === 'flush' ? 'flush' : pending.durable ? 'write' : 'see'
        step(`${actor} ${effect}`)
        pending = state[actor]?.pending
      }
    }
  }
  const initial = { ...state, left: protocol.initial.left }
  return { protocol: { ...protocol, initial }, whole, prelude, empty }
}
