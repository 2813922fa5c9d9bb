import { type Clock, MAX_TIMER_MS, systemClock } from '../clock.ts'
import { isCodecError, isRingError, RingError } from '../errors.ts'
import type { Position } from '../position.ts'
import type { RingWriter } from '../ring/queue/writer.ts'
import type { Closed } from '../ring/types.ts'
import { onAbort, untilAborted } from '../util/abort.ts'
import { checkRange } from '../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../util/options.ts'
import { signalOf, type WaitingOptions } from '../util/waiting.ts'
import { checkList, checkWriter, nameOf } from './arguments.ts'
import { JointPushes } from './joint-pushes.ts'

const DROP_AFTER_MS = 10_000

/** The behaviour of pushes while one branch has no room. */
export type OnSlow =
  /** They wait for it. */
  | 'wait'
  /**
   * Its ring overwrites its oldest items and blocks no other branch; the ring must have been created with `onFull:
   * 'overwrite'`.
   */
  | 'overwrite'
  /** After `dropAfterMs` they continue without it, and `onDropped` is called. */
  | 'drop'

/** A branch of a {@link Tee}. */
export interface Branch<In> {
  /** Pushes to the ring of this branch. */
  readonly writer: RingWriter<In>
  /** Default `wait`. */
  readonly onSlow?: OnSlow
}

/** A branch that gets nothing more. */
export interface DroppedBranch<In> {
  /** As in `Branch`. */
  readonly writer: RingWriter<In>
  /**
   * The position after the last item that is known to be durable there; undefined if none is. The next ones are
   * missing, or may be.
   */
  readonly durableTo: Position | undefined
  /** The error of its writer; undefined if it was too slow. */
  readonly error: unknown
}

/** Options of {@link Tee}. */
export interface TeeOptions<In> {
  /** Time that a push waits for a branch that may be dropped, in milliseconds. Default 10,000. */
  readonly dropAfterMs?: number
  /**
   * Called for each branch that was dropped: because it was too slow, or its writer failed. Required if a branch may be
   * dropped. The push that waited for the branch throws what this throws.
   */
  readonly onDropped?: (dropped: DroppedBranch<In>) => void
  /** Default: the machine's clock. */
  readonly clock?: Clock
}

const KINDS: OptionKinds<TeeOptions<never>> = {
  dropAfterMs: 'number',
  onDropped: 'function',
  clock: 'object',
}
const BRANCH_KINDS: OptionKinds<Branch<never>> = {
  writer: 'object',
  onSlow: { oneOf: ['wait', 'overwrite', 'drop'] },
}

/** A branch, and its progress. */
interface BranchState<In> {
  readonly writer: RingWriter<In>
  readonly mayDrop: boolean
  /** Of a branch that may be dropped. */
  durableTo: Position | undefined
  /** Aborted when it is dropped: its waiting pushes are withdrawn. */
  readonly dropped: AbortController
}

type Push<In> = (writer: RingWriter<In>, options: WaitingOptions) => Promise<Position>

/**
 * Pushes each item into several rings. The writers belong to the caller: closing the {@link Tee} leaves them open.
 * @throws {TypeError} an option is unknown or has the wrong type; there is no branch; something is no `RingWriter`, or
 *   the same one twice; a branch may be dropped and there is no `onDropped`
 * @throws {RangeError} `overwrite` of a ring that was not made so; `dropAfterMs` is out of range
 * @throws {RingError} `RING_CLOSED`: a writer was closed
 */
export function tee<In>(
  branches: Iterable<RingWriter<In> | Branch<In>>,
  options: TeeOptions<In> = {},
): Tee<In> {
  return new Tee<In>(branches, options)
}

/**
 * Pushes each item into several rings. A push resolves when the item is durable in all of them; each branch has its
 * items in the order of the calls. If a push rejects, or the program ends before it resolves, some branches may have
 * the item: push it again, and these have it twice. The writers belong to the caller: `close` leaves them open.
 */
export class Tee<In> implements AsyncDisposable {
  readonly #branches = new Map<RingWriter<In>, BranchState<In>>()
  readonly #dropAfterMs: number
  readonly #onDropped: TeeOptions<In>['onDropped']
  readonly #clock: Clock
  readonly #pushes = new JointPushes<In>('tee')

  /** @internal */
  constructor(branches: Iterable<RingWriter<In> | Branch<In>>, options: TeeOptions<In> = {}) {
    checkOptions('tee', options, KINDS)
    const { dropAfterMs = DROP_AFTER_MS, onDropped, clock = systemClock } = options
    checkRange({ dropAfterMs }, 0, MAX_TIMER_MS)
    this.#dropAfterMs = dropAfterMs
    this.#onDropped = onDropped
    this.#clock = clock
    checkList('tee', 'RingWriters', branches)
    for (const branch of branches) this.add(branch)
    if (this.#branches.size === 0) throw new TypeError('tee takes at least one RingWriter')
  }

  /** The writers that items go to. */
  get writers(): readonly RingWriter<In>[] {
    return [...this.#branches.keys()]
  }

  /**
   * Adds a branch, such as one that was dropped: it gets the items that are pushed from now on.
   * @throws as {@link tee}; {RingError} `RING_CLOSED`: this was closed
   */
  add(branch: RingWriter<In> | Branch<In>): void {
    this.#pushes.checkOpen()
    const { writer, onSlow = 'wait' } = isBranch(branch) ? branch : { writer: branch }
    if (isBranch(branch)) checkOptions('tee, branch', branch, BRANCH_KINDS)
    checkWriter('tee', writer)
    const { device, onFull } = writer.producer
    if (this.#branches.has(writer)) throw new TypeError(`${device.name} is a branch already`)
    if (onSlow === 'drop' && this.#onDropped === undefined) {
      throw new TypeError("tee: a branch with onSlow: 'drop' needs onDropped, which is told of it")
    }
    if (onSlow === 'overwrite' && onFull !== 'overwrite') {
      throw new RangeError(
        `the ring on ${device.name} keeps its oldest items: only one that was created with onFull: 'overwrite' gives them up`,
      )
    }
    const mayDrop = onSlow === 'drop'
    const dropped = new AbortController()
    this.#branches.set(writer, { writer, mayDrop, durableTo: undefined, dropped })
  }

  /** Stops pushing into a branch; removing one that is not there is no error. Pushes under way are not withdrawn. */
  remove(writer: RingWriter<In>): void {
    this.#branches.delete(writer)
  }

  /**
   * Pushes an item as it is at the call; resolves when it is durable in all branches. No branch is dropped for an item
   * that cannot be pushed.
   * @returns the position after the item in each branch that has it, by its writer; a branch that was dropped has none
   * @throws {PartialPushError} some branches have it and others do not: as soon as one fails that may not be dropped,
   *   the push is withdrawn from those where it waits
   * @throws as `RingWriter.push`, if no branch has it: {CodecError} `CODEC_ENCODE`, {RingError} `RING_ITEM_TOO_LARGE`
   *   and others
   * @throws {RingError} `RING_CLOSED`: this was closed, or no branch is left
   */
  push(item: In, options: WaitingOptions = {}): Promise<ReadonlyMap<RingWriter<In>, Position>> {
    return this.#each('Tee.push', (writer, waiting) => writer.push(item, waiting), options)
  }

  /**
   * Pushes many items in as few commits as possible; resolves when all are durable in all branches.
   * @returns the position after the last item in each branch, as `push`
   * @throws as `push` and `RingWriter.pushMany`: a branch that failed may have some from the front
   */
  pushMany(
    items: readonly In[],
    options: WaitingOptions = {},
  ): Promise<ReadonlyMap<RingWriter<In>, Position>> {
    return this.#each('Tee.pushMany', (writer, waiting) => writer.pushMany(items, waiting), options)
  }

  /**
   * Closes it, and leaves the writers open. Waiting pushes are withdrawn and reject with `RING_CLOSED`; a commit under
   * way ends first, but in a branch that may be dropped. Never fails; can be called again.
   */
  close(): Promise<Closed> {
    return this.#pushes.close()
  }

  /** As `close`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #each(
    call: string,
    push: Push<In>,
    options: WaitingOptions,
  ): Promise<ReadonlyMap<RingWriter<In>, Position>> {
    const signal = signalOf(call, options)
    const parts = [...this.#branches.values()].map((branch) => ({
      writer: branch.writer,
      push: (waiting: WaitingOptions) =>
        branch.mayDrop ? this.#orDrop(branch, push, waiting) : push(branch.writer, waiting),
    }))
    const positions = await this.#pushes.push(parts, signal)
    // Without this, an item that every branch was dropped for would count as durable.
    if (positions.size === 0) throw noBranch()
    return positions
  }

  async #into(branch: BranchState<In>, push: Push<In>, options: WaitingOptions): Promise<Position> {
    const position = await push(branch.writer, options)
    if (branch.durableTo === undefined || position > branch.durableTo) branch.durableTo = position
    return position
  }

  async #orDrop(
    branch: BranchState<In>,
    push: Push<In>,
    { signal }: WaitingOptions,
  ): Promise<Position | undefined> {
    const { signal: dropped } = branch.dropped
    const over = new AbortController()
    const endings = [
      onAbort(signal, () => over.abort(signal?.reason)),
      onAbort(dropped, () => over.abort()),
    ]
    let isSlow = false
    this.#clock.sleep(this.#dropAfterMs, over.signal, { background: true }).then(
      () => {
        isSlow = true
        over.abort()
      },
      () => undefined,
    )
    try {
      // A commit in progress cannot be withdrawn, and its device may never answer.
      return await untilAborted(this.#into(branch, push, { signal: over.signal }), over.signal)
    } catch (error) {
      if (dropped.aborted) return undefined
      // Not by the timer, so that the push throws what `onDropped` throws.
      if (isSlow) this.#drop(branch, undefined)
      else if (signal?.aborted === true || isCallersFault(error)) throw error
      else this.#drop(branch, error)
      return undefined
    } finally {
      for (const end of endings) end()
      over.abort()
    }
  }

  #drop(branch: BranchState<In>, error: unknown): void {
    const { writer, durableTo, dropped } = branch
    if (dropped.signal.aborted) return
    if (this.#branches.get(writer) === branch) this.#branches.delete(writer)
    dropped.abort()
    this.#onDropped?.({ writer, durableTo, error })
  }
}

/** True if it is a branch with options, misspelt ones included, and nothing else. */
function isBranch<In>(branch: RingWriter<In> | Branch<In>): branch is Branch<In> {
  return typeof branch === 'object' && branch !== null && nameOf(branch) === undefined
}

/** True if the pushed item is at fault, not a branch. */
function isCallersFault(error: unknown): boolean {
  if (isRingError(error)) return error.code === 'RING_ITEM_TOO_LARGE'
  return isCodecError(error) || error instanceof TypeError
}

function noBranch(): RingError {
  return new RingError(
    'RING_CLOSED',
    'This tee has no branch left: each was dropped, as reported to onDropped; add one, then push again',
    {},
  )
}
