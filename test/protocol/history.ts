import {
  type Answer,
  afterCut,
  type Cell,
  type History,
  outcomes,
  type Pending,
  type Protocol,
  type State,
  seen,
  stableCell,
  type View,
  type Write,
} from './machine.ts'

/** A write gets into the cache: from now on it is visible, and may survive a power cut. */
export function submitted<P, C, U>(
  state: State<P, C, U>,
  write: Write<U>,
  call: string,
): { readonly state: State<P, C, U>; readonly broken?: string } {
  const medium = put(state.medium, write)
  let { history } = state
  let broken: string | undefined
  if (write.shows !== undefined) {
    history = { ...history, log: [...history.log, ...write.shows] }
    if (history.barrier && call === 'append') broken = 'an append is seen in a suspended ring'
  }
  if (write.gives === true) history = { ...history, given: history.delivered }
  if (write.suspendRequest !== undefined) {
    const { suspendRequest: _unknown, ...known } = history
    history = { ...known, barrier: history.barrier && write.suspendRequest }
  }
  return { state: { ...state, medium, history }, ...(broken !== undefined && { broken }) }
}

function put<U>(medium: readonly Cell<U>[], write: Write<U>): readonly Cell<U>[] {
  return medium.map((cell, at) => {
    const unit = write.units.find((candidate) => candidate.at === at)
    return unit === undefined ? cell : { ...cell, volatile: [...cell.volatile, unit.value] }
  })
}

/** A durable write or a flush is over: what it was for is stable. */
export function completed<P, C, U>(state: State<P, C, U>, pending: Pending<U>): State<P, C, U> {
  const view = seen(state.medium)
  const medium = state.medium.map((cell, at) => {
    if (pending.kind === 'flush') return stableCell(view(at))
    const unit = pending.units.find((candidate) => candidate.at === at)
    const index = unit === undefined ? -1 : cell.volatile.indexOf(unit.value)
    if (unit === undefined || index < 0) return cell
    return { stable: unit.value, volatile: cell.volatile.slice(index + 1) }
  })
  return { ...state, medium }
}

function withoutFront(history: History, count: number): History {
  return {
    ...history,
    log: history.log.slice(count),
    acked: Math.max(0, history.acked - count),
    given: Math.max(0, history.given - count),
    delivered: Math.max(0, history.delivered - count),
  }
}

/** The power fails: all processes die, and of what was not stable some versions are kept. */
export function poweredOff<P, C, U>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
  kept: readonly number[],
): State<P, C, U> {
  const medium = afterCut(state.medium, kept)
  const waiting = protocol.waiting(seen(medium))
  const log = typeof waiting === 'string' ? [] : waiting
  const { next } = state.history
  const suspendRequest = protocol.suspendRequest(seen(medium))
  const history = {
    next,
    log,
    acked: log.length,
    given: 0,
    delivered: 0,
    suspendRequest,
    barrier: false,
  }
  return { medium, history, left: state.left }
}

/** Takes in the result of a call, and checks it against what was guaranteed. */
export function answered<P, C, U>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
  actor: 'producer' | 'consumer',
  call: string,
  answer: Answer | undefined,
): Taken {
  const { history } = state
  if (answer === undefined) return { history }
  if (actor === 'producer') return fromProducer(history, call, answer)
  if (answer.status !== 'attached') return fromConsumer(history, call, answer)
  const waiting = protocol.waiting(seen(state.medium))
  return { history: { ...history, delivered: history.log.length - waiting.length } }
}

interface Taken {
  readonly history: History
  readonly broken?: string
}

function fromProducer(history: History, call: string, { status }: Answer): Taken {
  if (status !== 'ok') return { history }
  const pushes = call.startsWith('push')
  const appends = call.startsWith('append')
  if ((pushes || appends) && history.barrier) {
    return { history, broken: 'a suspended ring accepts an item' }
  }
  const acknowledges = appends || call.startsWith('advance')
  return { history: acknowledges ? { ...history, acked: history.log.length } : history }
}

function fromConsumer(history: History, call: string, { status, item }: Answer): Taken {
  const { log, delivered, acked } = history
  if (call === 'pop') {
    if (status === 'item' && item === log[delivered]) {
      return { history: { ...history, delivered: delivered + 1 } }
    }
    if (status === 'retry' && delivered >= acked) return { history }
    const expected = log.slice(delivered, delivered + 1).join() || 'nothing'
    return { history, broken: `a pop answers ${item ?? status}, but ${expected} is next` }
  }
  if (call === 'state') {
    const barrier = status === 'suspended' && history.suspendRequest === true
    return { history: { ...history, barrier } }
  }
  if (status !== 'ok') return { history }
  if (call === 'advance') return { history: withoutFront(history, delivered) }
  const requests = call === 'suspend' || call === 'resume'
  return { history: requests ? { ...history, suspendRequest: call === 'suspend' } : history }
}

/** What is wrong with a state: with what is seen, or with what a power cut now could leave. */
export function stateBroken<P, C, U>(
  protocol: Protocol<P, C, U>,
  state: State<P, C, U>,
): string | undefined {
  const { history, medium } = state
  const visible = mediumBroken(protocol, seen(medium), history, history.log.length)
  if (visible !== undefined) return `what is seen: ${visible}`
  for (const kept of outcomes(medium)) {
    if (kept.every((version) => version === 0) && medium.every((c) => c.volatile.length === 0)) {
      continue
    }
    const view = seen(afterCut(medium, kept))
    const broken = mediumBroken(protocol, view, history, history.acked)
    if (broken !== undefined) return `after a power cut that keeps ${kept.join('')}: ${broken}`
  }
  return undefined
}

/**
 * The unacknowledged items on a medium have to be a run of the log: from where the cursor may be, with everything
 * committed.
 */
function mediumBroken<P, C, U>(
  protocol: Protocol<P, C, U>,
  view: View<U>,
  history: History,
  atLeast: number,
): string | undefined {
  const waiting = protocol.waiting(view)
  if (typeof waiting === 'string') return waiting
  const { log, given, suspendRequest } = history
  const fits = (from: number): boolean =>
    from + waiting.length >= atLeast && waiting.every((item, at) => item === log[from + at])
  const found = Array.from({ length: given + 1 }, (_, from) => from).some(fits)
  if (!found) {
    return `[${waiting}] waits, of the log [${log}] (acknowledged ${atLeast}, maybe up to ${given})`
  }
  if (suspendRequest !== undefined && protocol.suspendRequest(view) !== suspendRequest)
    return 'a suspend request is lost'
  return undefined
}
