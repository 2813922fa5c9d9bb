/**
 * One unit of the medium: what is on stable storage, and what was written since, oldest first. The last is what is
 * seen.
 */
export interface Cell<U> {
  readonly stable: U
  readonly volatile: readonly U[]
}

/** What a process waits for. It has happened in the cache (`seen`) before it is known to be stable. */
export type Pending<U> = Write<U> | { readonly kind: 'flush'; readonly after: string }

/** A write that a process waits for. */
export interface Write<U> {
  readonly kind: 'write'
  readonly units: readonly { readonly at: number; readonly value: U }[]
  /** A write that is not durable ends as soon as it is in the cache. */
  readonly durable: boolean
  readonly seen: boolean
  /** Items that this write makes visible. */
  readonly shows?: readonly number[]
  /** Whether the cursor in it acknowledges what was delivered. */
  readonly gives?: boolean
  /** The consumer's suspend request, if this write changes it. */
  readonly suspendRequest?: boolean
  /** Names what the process does next. */
  readonly after: string
}

/** What a call returns. */
export interface Answer {
  readonly status: 'ok' | 'retry' | 'suspended' | 'attached' | 'running' | 'item'
  readonly item?: number
}

/** A process: what it knows, and what it waits for. */
export interface Running<M, U> {
  readonly memory: M
  /** The call that is under way. */
  readonly call?: string
  readonly pending?: Pending<U>
}

/** What a process did, from one effect on the medium to the next. Reads belong to the step that they follow. */
export interface Turn<M, U> {
  /** Absent: the process has detached. */
  readonly memory?: M
  readonly pending?: Pending<U>
  readonly answer?: Answer
  /** How many numbers it used for items and the like. */
  readonly uses?: number
  /** Something that the protocol rules out. */
  readonly broken?: string
}

/** Reads a unit as everybody sees it. */
export type View<U> = (at: number) => U

/** What was guaranteed so far. */
export interface History {
  /** The number of the next item, or of anything else that needs an identity. */
  readonly next: number
  /** Visible items, without those that were acknowledged for certain. */
  readonly log: readonly number[]
  /** How many of these from the front were acknowledged. */
  readonly acked: number
  /** How many of these from the front may be acknowledged: a cursor beyond them was visible. */
  readonly given: number
  /** How many of these from the front the current consumer has popped, or found acknowledged. */
  readonly delivered: number
  /** The last suspend request that was answered with `ok`; absent while that is not known. */
  readonly suspendRequest?: boolean
  /** The consumer was told that the ring is suspended, and has not resumed it. */
  readonly barrier: boolean
}

/** How many more times the things may happen that make the state space endless. */
export interface Budget {
  readonly push: number
  readonly crash: number
  readonly suspendRequest: number
}

export interface State<P, C, U> {
  readonly medium: readonly Cell<U>[]
  readonly producer?: Running<P, U>
  readonly consumer?: Running<C, U>
  readonly history: History
  readonly left: Budget
}

/** What one role does. */
export interface RoleProtocol<M, U> {
  attach(view: View<U>): Turn<M, U>
  /** The calls that make sense now. */
  calls(memory: M, left: Budget): readonly string[]
  call(memory: M, call: string, view: View<U>, next: number): Turn<M, U>
  /** Continues after an effect. */
  resume(memory: M, after: string, view: View<U>, next: number): Turn<M, U>
}

/** A format's protocol. */
export interface Protocol<P, C, U> {
  readonly initial: State<P, C, U>
  readonly producer: RoleProtocol<P, U>
  readonly consumer: RoleProtocol<C, U>
  /** What of the producer's calls is explored. Default: all. */
  readonly only?: readonly string[]
  /** What a consumer would get that attaches to a medium; a text says what is wrong with it. */
  waiting(view: View<U>): readonly number[] | string
  /** A text that is the same for equivalent states. Default: the whole state. */
  canonical?(state: State<P, C, U>): string
  /** The consumer's suspend request on a medium. */
  suspendRequest(view: View<U>): boolean
  /** Whether all is drained and the whole ring is free. */
  quiescent(state: State<P, C, U>): boolean
}

/** What the units hold, as seen through the cache. */
export function seen<U>(medium: readonly Cell<U>[]): View<U> {
  return (at) => {
    const cell = medium[at] as Cell<U>
    return cell.volatile.at(-1) ?? cell.stable
  }
}

export function stableCell<U>(stable: U): Cell<U> {
  return { stable, volatile: [] }
}

/** Each medium that a power cut may leave: of every unit, the stable version or any later one. */
export function* outcomes<U>(medium: readonly Cell<U>[]): Generator<readonly number[]> {
  const choices = medium.map(({ volatile }) => volatile.length + 1)
  const total = choices.reduce((product, count) => product * count, 1)
  for (let outcome = 0; outcome < total; outcome++) {
    let rest = outcome
    yield choices.map((count) => {
      const choice = rest % count
      rest = Math.floor(rest / count)
      return choice
    })
  }
}

/** The medium after a power cut that kept these versions. */
export function afterCut<U>(
  medium: readonly Cell<U>[],
  kept: readonly number[],
): readonly Cell<U>[] {
  return medium.map(({ stable, volatile }, at) =>
    stableCell(volatile[(kept[at] ?? 0) - 1] ?? stable),
  )
}
