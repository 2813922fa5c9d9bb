import { answered, completed, poweredOff, submitted } from './history.ts'
import {
  type Answer,
  type Budget,
  outcomes,
  type Protocol,
  type RoleProtocol,
  type Running,
  type State,
  seen,
  type Turn,
} from './machine.ts'

/** One atomic step of a trace. */
export interface Step {
  readonly actor: 'producer' | 'consumer' | 'power'
  /**
   * A call; or what happens to the effect that the actor waits for: `see` (it is in the cache), `settle` (it is
   * stable), `write` (both at once), `flush`; or `kill`, `cut`.
   */
  readonly does: string
  /** Of a cut: which version of each unit is kept, 0 for the stable one. */
  readonly kept?: readonly number[]
  /** What the call that ends here returns. */
  readonly answer?: Answer
}

/** A step, where it leads, and what is wrong with it. */
export interface Transition<S> {
  readonly step: Step
  readonly state: S
  readonly broken?: string
}

/** All steps from a state. */
export function* transitions<P, C, U>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
): Generator<Transition<State<P, C, U>>> {
  yield* roleSteps(protocol, protocol.producer, state, 'producer')
  yield* roleSteps(protocol, protocol.consumer, state, 'consumer')
  if (state.left.crash === 0) return
  const left = { ...state.left, crash: state.left.crash - 1 }
  for (const actor of ['producer', 'consumer'] as const) {
    if (state[actor] === undefined) continue
    const { [actor]: _dead, ...rest } = state
    yield { step: { actor, does: 'kill' }, state: { ...rest, left } }
  }
  for (const kept of outcomes(state.medium)) {
    const step: Step = { actor: 'power', does: 'cut', kept }
    yield { step, state: poweredOff(protocol, { ...state, left }, kept) }
  }
}

function* roleSteps<P, C, U, M>(
  protocol: Protocol<P, C, U>,
  role: RoleProtocol<M, U>,
  state: State<P, C, U>,
  actor: 'producer' | 'consumer',
): Generator<Transition<State<P, C, U>>> {
  const running = state[actor] as Running<M, U> | undefined
  const view = seen(state.medium)
  const { next } = state.history
  if (running === undefined) {
    yield after(protocol, state, actor, 'attach', 'attach', role.attach(view))
    return
  }
  const { memory, pending, call = '' } = running
  if (pending === undefined) {
    for (const name of role.calls(memory, state.left)) {
      if (actor === 'producer' && protocol.only?.includes(name) === false) continue
      yield after(protocol, state, actor, name, name, role.call(memory, name, view, next))
    }
  } else if (pending.kind === 'write' && !pending.seen) {
    const { state: visible, broken } = submitted(state, pending, call)
    if (pending.durable && state.left.crash > 0) {
      const waits = { ...visible, [actor]: { ...running, pending: { ...pending, seen: true } } }
      yield { step: { actor, does: 'see' }, state: waits, ...(broken !== undefined && { broken }) }
    } else {
      // Without a crash to come, it makes no difference when it becomes stable.
      const stable = pending.durable ? completed(visible, pending) : visible
      const turn = role.resume(memory, pending.after, seen(stable.medium), next)
      const done = after(protocol, stable, actor, call, pending.durable ? 'write' : 'see', turn)
      yield broken === undefined ? done : { ...done, broken }
    }
  } else {
    const stable = completed(state, pending)
    const turn = role.resume(memory, pending.after, seen(stable.medium), next)
    yield after(protocol, stable, actor, call, pending.kind === 'flush' ? 'flush' : 'settle', turn)
  }
}

/** The state after a process has done its turn. */
function after<P, C, U, M>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
  actor: 'producer' | 'consumer',
  call: string,
  does: string,
  turn: Turn<M, U>,
): Transition<State<P, C, U>> {
  const { memory, pending, answer, uses = 0 } = turn
  const { history, broken } = answered(protocol, state, actor, call, answer)
  const wrong = turn.broken ?? broken
  const running = memory !== undefined && { memory, ...(pending && { call, pending }) }
  const { [actor]: _before, ...rest } = state
  return {
    step: { actor, does, ...(answer && { answer }) },
    state: {
      ...rest,
      ...(running && { [actor]: running }),
      history: { ...history, next: history.next + uses },
      left: spent(state.left, does, turn),
    },
    ...(wrong !== undefined && { broken: wrong }),
  }
}

function spent<M, U>(left: Budget, does: string, turn: Turn<M, U>): Budget {
  if (does === 'detach') return { ...left, crash: left.crash - 1 }
  if (turn.pending === undefined) return left
  if (does.startsWith('push') || does.startsWith('append')) return { ...left, push: left.push - 1 }
  return does === 'suspend' ? { ...left, suspendRequest: left.suspendRequest - 1 } : left
}
