import type { BlockDevice } from '../../block/device.ts'
import type { Producer, PushManyResult } from '../../ring/types.ts'
import { Violation } from '../runs/violation.ts'
import type { SimProcess } from '../world/process.ts'
import { HandleActor } from './handle-actor.ts'
import { ITEM_MIN_BYTES } from './oracle.ts'
import type { ProducerStep, Size } from './plan.ts'

/** A handle, and what it pushed that is not visible yet. */
export interface ProducerHandle {
  readonly process: SimProcess
  readonly producer: Producer
  readonly session: number
  pushed: { readonly item: Uint8Array; readonly position: bigint }[]
}

/** Pause after a full or suspended ring, in milliseconds. */
const PAUSE_MS = 4

/** Does the producer's steps. */
export class ProducerActor extends HandleActor<ProducerStep, ProducerHandle> {
  // A device that refuses writes now says so before anything is claimed.
  protected override readonly refusals: readonly string[] = ['BLOCK_CLAIMED', 'BLOCK_READ_ONLY']

  override died(): void {
    for (const handle of [this.handle, this.older]) {
      if (handle !== undefined) this.context.oracle.producerEnded(handle.session)
    }
    super.died()
  }

  /** `undefined` if the ring is suspended or attaching failed. */
  override async attached(): Promise<ProducerHandle | undefined> {
    if (this.handle !== undefined) return this.handle
    const { ring, oracle } = this.context
    const process = this.process as SimProcess
    try {
      const { device } = await this.open(process)
      const result = await this.context.bounded('attaching the producer', process, () =>
        ring.attachProducer(device, {
          clock: process.clock,
          queue: 'sim',
          client: 'producer',
        }),
      )
      if (result.status === 'suspended') {
        this.#checkSuspended(true)
        await process.clock.sleep(PAUSE_MS)
        return undefined
      }
      const session = oracle.producerSession(result.producer.position)
      this.handle = { process, producer: result.producer, session, pushed: [] }
      return this.handle
    } catch (error) {
      this.context.judge('attaching the producer', error)
      await this.leaveSpent()
      await process.clock.sleep(PAUSE_MS)
      return undefined
    }
  }

  /** Pushes and advances. Returns whether all of it was done. */
  async append(handle: ProducerHandle, sizes: readonly Size[]): Promise<boolean> {
    return this.#push(handle, sizes, (items) => handle.producer.append(items), true)
  }

  /** Does one step. */
  override async perform(step: ProducerStep): Promise<void> {
    const process = this.process as SimProcess
    if (step.kind === 'wait') return process.clock.sleep(step.ms)
    if (step.kind === 'reattach') return this.detach()
    if (step.kind === 'restart') return this.restart()
    if (step.kind === 'zombie') return this.useOlder((older) => this.append(older, step.sizes))
    const handle = await this.attached()
    if (handle === undefined) return
    if (step.kind === 'second') return this.second(handle)
    try {
      if (step.kind === 'append') await this.append(handle, step.sizes)
      else if (step.kind === 'push') await this.#push(handle, step.sizes)
      else if (step.kind === 'advance') await this.#advance(handle, step.part)
      else this.#checkSuspended((await handle.producer.state()) === 'suspended')
    } catch (error) {
      if (this.context.judge(`${this.names.role} ${step.kind}`, error)) {
        await this.detach()
        await this.leaveSpent()
      }
    }
  }

  async #push(
    handle: ProducerHandle,
    sizes: readonly Size[],
    how: (items: readonly Uint8Array[]) => Promise<PushManyResult> = (items) =>
      handle.producer.pushMany(items),
    advances = false,
  ): Promise<boolean> {
    const { oracle, trace } = this.context
    const { maxItemBytes } = handle.producer
    const bytes = sizes.map((size) => (size < 1.01 ? Math.floor(size * maxItemBytes) : size))
    const items = oracle.pushing(
      handle.session,
      bytes.map((size) => Math.min(size, maxItemBytes)),
    )
    this.context.supply(items, handle.producer)
    const last = items.at(-1) as Uint8Array
    const paused = this.context.pauses.granted
    const advancing = advances ? oracle.advancing(handle.session, last) : []
    let result: PushManyResult
    try {
      result = await how(items)
    } catch (error) {
      oracle.pushFailed(items)
      throw error
    }
    const positions = result.status === 'ok' ? result.positions : []
    if (positions.length === 0) oracle.notAdvanced(advancing)
    oracle.pushed(items, positions)
    trace(() => `producer pushed ${positions.length} of ${items.map(oracle.describe).join(', ')}`)
    positions.forEach((position, index) => {
      handle.pushed.push({ item: items[index] as Uint8Array, position })
    })
    if (advances && positions.length > 0) {
      oracle.advanced(handle.session, items[positions.length - 1] as Uint8Array)
      handle.pushed = []
    }
    if (result.status === 'ok') {
      this.#checkNotPaused(paused)
      return positions.length === items.length
    }
    this.#checkSuspended(result.status === 'suspended')
    await handle.process.clock.sleep(PAUSE_MS)
    return false
  }

  async #advance(handle: ProducerHandle, part: number): Promise<boolean> {
    const { oracle, trace } = this.context
    const count = Math.ceil(handle.pushed.length * part)
    const last = handle.pushed[count - 1]
    if (last === undefined) return true
    oracle.advancing(handle.session, last.item)
    await handle.producer.advance(last.position as never)
    oracle.advanced(handle.session, last.item)
    trace(() => `producer advanced past ${oracle.describe(last.item)}`)
    handle.pushed.splice(0, count)
    return true
  }

  protected override attachToo({ clock }: SimProcess, device: BlockDevice): Promise<unknown> {
    return this.context.ring.attachProducer(device, { clock })
  }

  protected override takeOver(handle: ProducerHandle): Promise<boolean> {
    return this.append(handle, [ITEM_MIN_BYTES])
  }

  protected override async drop(handle: ProducerHandle | undefined): Promise<void> {
    if (handle === undefined) return
    await handle.producer.close()
    this.context.oracle.producerEnded(handle.session)
  }

  #checkSuspended(suspended: boolean): void {
    const { pauses, guarantees } = this.context
    if (suspended && pauses.neverWanted && guarantees.lossless) {
      throw new Violation('pause', 'the producer says that the ring is suspended, but nobody asked')
    }
  }

  #checkNotPaused(before: number): void {
    const { pauses, guarantees } = this.context
    if (guarantees.lossless && before > 0 && pauses.granted === before) {
      throw new Violation('pause', 'items were pushed although a pause was granted')
    }
  }

  protected override describe(step: ProducerStep): string {
    if ('sizes' in step) return `${step.kind} ${step.sizes.join(', ')}`
    if ('part' in step) return `${step.kind} ${step.part}`
    if ('ms' in step) return `${step.kind} ${step.ms} ms`
    return step.kind
  }
}
