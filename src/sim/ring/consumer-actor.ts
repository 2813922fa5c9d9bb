import type { BlockDevice } from '../../block/device.ts'
import { isRingError } from '../../errors.ts'
import type { Position } from '../../position.ts'
import type { DamageEvent } from '../../ring/shared/damage.ts'
import { parsePosition } from '../../ring/shared/position-text.ts'
import type { Consumer, PoppedItem } from '../../ring/types.ts'
import type { SimProcess } from '../world/process.ts'
import { HandleActor } from './handle-actor.ts'
import { ConsumerSession, itemNumber } from './oracle.ts'
import type { ConsumerStep } from './plan.ts'

/** A handle, and the items that it delivered and that are not acknowledged yet. */
export interface ConsumerHandle {
  readonly process: SimProcess
  readonly consumer: Consumer
  readonly session: ConsumerSession
  popped: { readonly id: number; readonly position: Position }[]
  /** Damaged items that the consumer reported and skipped since the last pop, and since the last advance. */
  readonly reportedSince: { pop: number; advance: number }
}

/** Counts the items that consumers skip. */
const damages = globalThis.process
  ?.getBuiltinModule?.('node:diagnostics_channel')
  ?.channel('shared-block-ring:damage')

/** Pause after an empty ring, in milliseconds. */
const PAUSE_MS = 3

/**
 * Performs the consumer's steps: attaches, pops, advances, suspends, resumes; and tells the oracle what was delivered,
 * what was reported as damaged or overwritten, and what is acknowledged. A pause that the ring granted is checked
 * against what the producer does.
 */
export class ConsumerActor extends HandleActor<ConsumerStep, ConsumerHandle> {
  #pauses = 0
  /** True if the last request that reached the device was to suspend. */
  #requested = false
  protected override readonly refusals: readonly string[] = ['BLOCK_CLAIMED']

  override async attached(): Promise<ConsumerHandle | undefined> {
    if (this.handle !== undefined) return this.handle
    const process = this.process as SimProcess
    const { ring, oracle, onDamage } = this.context
    try {
      const { device } = await this.open(process)
      const consumer = await this.context.bounded('attaching the consumer', process, () =>
        ring.attachConsumer(device, {
          clock: process.clock,
          queue: 'sim',
          client: 'consumer',
          onDamage,
        }),
      )
      const session = new ConsumerSession(consumer.position, oracle.reportedBefore)
      this.handle = {
        process,
        consumer,
        session,
        popped: [],
        reportedSince: { pop: 0, advance: 0 },
      }
      return this.handle
    } catch (error) {
      this.context.judge('attaching the consumer', error)
      await this.leaveSpent()
      await process.clock.sleep(PAUSE_MS)
      return undefined
    }
  }

  /** Pops the next items. Returns how many there were. */
  async pop(handle: ConsumerHandle, maxItems: number): Promise<number> {
    const { oracle, trace } = this.context
    const committed = oracle.lastCommitted
    const before = handle.consumer.position
    const last = handle.popped.at(-1)?.position
    const { popped, damaged, behind } = await this.#skipDamage(last, (from) =>
      handle.consumer.popMany({ ...(from !== undefined && { from }), maxItems }),
    )
    const { reportedSince } = handle
    trace(
      () =>
        `consumer popped ${popped.map(({ item }) => oracle.describe(item)).join(', ') || 'nothing'}`,
    )
    if (popped.length === 0) {
      // Damage at the end of the log takes space until it is acknowledged.
      if (last === undefined && behind !== undefined) await handle.consumer.advance(behind)
      oracle.empty(handle.session, committed)
      this.#reported(handle, before, damaged)
    } else {
      oracle.popped(handle.session, popped, {
        fromOwn: false,
        damaged: damaged + reportedSince.pop,
      })
      reportedSince.pop = 0
    }
    for (const { item, position } of popped) handle.popped.push({ id: itemNumber(item), position })
    return popped.length
  }

  /**
   * Handles a pop that returned nothing but reported damage. If the damage was acknowledged, the consumer's cursor has
   * moved.
   */
  #reported({ consumer, reportedSince }: ConsumerHandle, before: Position, damaged: number): void {
    const { oracle } = this.context
    if (!oracle.hasMoved(before, consumer.position)) return
    reportedSince.pop += damaged
    reportedSince.advance += damaged
    oracle.skippedLost(damaged)
  }

  /** Pops, skipping damage. Also returns how many damaged items precede the first, and the position after them. */
  async #skipDamage(
    start: Position | undefined,
    pop: (from: Position | undefined) => Promise<readonly PoppedItem[]>,
  ): Promise<{
    readonly popped: readonly PoppedItem[]
    readonly damaged: number
    readonly behind: Position | undefined
  }> {
    let damaged = 0
    const reported: number[] = []
    let behind: Position | undefined
    const hear = (message: unknown): void => {
      reported.push((message as DamageEvent).items)
    }
    damages?.subscribe(hear)
    try {
      for (;;) {
        try {
          const popped = await pop(behind ?? start)
          // An exception in a subscriber would not reach this call.
          for (const items of reported.splice(0)) {
            this.context.oracle.reportedDamage(items)
            damaged += items
          }
          return { popped, damaged, behind }
        } catch (error) {
          if (!isRingError(error) || error.code !== 'RING_DAMAGED') throw error
          this.context.judge('the consumer', error)
          const { items, missed = 0, position } = error.details
          this.context.oracle.reportedDamage(items)
          damaged += items + missed
          behind = parsePosition(position)
        }
      }
    } finally {
      damages?.unsubscribe(hear)
    }
  }

  /** Acknowledges some of the popped items. */
  async advance(handle: ConsumerHandle, part: number): Promise<void> {
    const { oracle, trace } = this.context
    const count = Math.ceil(handle.popped.length * part)
    const last = handle.popped[count - 1]
    if (last === undefined) return
    oracle.acknowledging(last.id + 1)
    await handle.consumer.advance(last.position)
    oracle.acknowledged(handle.session, last.id + 1, last.position)
    handle.reportedSince.advance = 0
    trace(() => `consumer advanced past item ${last.id}`)
    handle.popped.splice(0, count)
  }

  /** Requests a pause, or its end. */
  async request(handle: ConsumerHandle, suspend: boolean): Promise<boolean> {
    this.#requested = false
    const { pauses } = this.context
    pauses.granted = 0
    if (suspend) pauses.neverWanted = false
    const { status } = await handle.consumer[suspend ? 'suspend' : 'resume']()
    this.#requested = suspend && status === 'ok'
    return status === 'ok'
  }

  async state(handle: ConsumerHandle): Promise<'running' | 'suspended'> {
    const wished = this.#requested
    const state = await handle.consumer.state()
    const { pauses } = this.context
    if (state === 'suspended' && wished && this.#requested && pauses.granted === 0) {
      pauses.granted = ++this.#pauses
    }
    return state
  }

  /** Performs one step. */
  override async perform(step: ConsumerStep): Promise<void> {
    const process = this.process as SimProcess
    if (step.kind === 'wait') return process.clock.sleep(step.ms)
    if (step.kind === 'reattach') return this.detach()
    if (step.kind === 'restart') return this.restart()
    if (step.kind === 'zombie') return this.useOlder((older) => this.advance(older, 1))
    const handle = await this.attached()
    if (handle === undefined) return
    if (step.kind === 'second') return this.second(handle)
    try {
      await this.#use(handle, step)
    } catch (error) {
      if (this.context.judge(`${this.names.role} ${step.kind}`, error)) {
        await this.detach()
        await this.leaveSpent()
      }
    }
  }

  async #use(
    handle: ConsumerHandle,
    step: Exclude<ConsumerStep, { kind: 'wait' | 'zombie' }>,
  ): Promise<void> {
    switch (step.kind) {
      case 'pop':
      case 'take': {
        const count = await this.pop(handle, step.max)
        if (step.kind === 'take') await this.advance(handle, 1)
        if (count === 0) await handle.process.clock.sleep(PAUSE_MS)
        return
      }
      case 'head': {
        const before = handle.consumer.position
        const { popped, damaged } = await this.#skipDamage(undefined, async (from) => {
          const head = await handle.consumer.pop(from)
          return head.status === 'item' ? [head] : []
        })
        if (popped.length === 0) this.#reported(handle, before, damaged)
        this.context.oracle.popped(handle.session, popped, {
          fromOwn: true,
          damaged: damaged + handle.reportedSince.advance,
        })
        return
      }
      case 'advance':
        return this.advance(handle, step.part)
      case 'suspend':
      case 'resume':
        await this.request(handle, step.kind === 'suspend')
        return
      case 'state':
        await this.state(handle)
    }
  }

  protected override attachToo({ clock }: SimProcess, device: BlockDevice): Promise<unknown> {
    return this.context.ring.attachConsumer(device, { clock })
  }

  protected override async takeOver(handle: ConsumerHandle): Promise<boolean> {
    const popped = await this.pop(handle, 1)
    await this.advance(handle, 1)
    return popped > 0
  }

  protected override async drop(handle: ConsumerHandle | undefined): Promise<void> {
    await handle?.consumer.close()
  }

  protected override describe(step: ConsumerStep): string {
    if ('max' in step) return `${step.kind} ${step.max}`
    if ('part' in step) return `${step.kind} ${step.part}`
    if ('ms' in step) return `${step.kind} ${step.ms} ms`
    return step.kind
  }
}
