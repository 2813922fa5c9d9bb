import type { BlockDevice } from '../../block/device.ts'
import { RingWriter } from '../../ring/queue/writer.ts'
import type { RequestNames, SimProcess } from '../world/process.ts'
import { nameOf, Random } from '../world/random.ts'
import { bytesOf, fan, keyOf } from './fan.ts'
import type { GroupItem, GroupsOracle, ProcessLife } from './oracle.ts'

/** Items of one push. */
const MOST_ITEMS = 4

/** What a producer uses of its run. */
export interface PusherContext {
  readonly seed: number
  readonly oracle: GroupsOracle
  readonly keys: number
  readonly pauseMs: number
  /** The numbers of its rings. */
  readonly rings: readonly number[]
  /** Its rings, opened by a process. */
  open(process: SimProcess): Promise<readonly BlockDevice[]>
}

/** A program that pushes items into rings of its own, each into that of its key. */
export class Pusher {
  readonly names: RequestNames
  readonly #context: PusherContext
  #isStopped = false

  constructor(names: RequestNames, context: PusherContext) {
    this.names = names
    this.#context = context
  }

  /** Pushes in a new process, until it is stopped. */
  async live(process: SimProcess, life: ProcessLife): Promise<void> {
    const { seed, oracle, pauseMs, rings } = this.#context
    const { clock } = process
    const random = Random.of(seed, nameOf(this.names.role), life.number)
    const { isPartialPushError, partitioned, partitionOf } = fan.value ?? (await fan.load())
    const writers: RingWriter[] = []
    for (const device of await this.#context.open(process)) {
      writers.push(await RingWriter.open(device, { clock }))
    }
    const all = partitioned(writers, keyOf)
    while (!this.#isStopped) {
      const items = Array.from({ length: random.between(1, MOST_ITEMS) }, (): GroupItem => {
        const key = `${this.names.role} key ${random.below(this.#context.keys)}`
        return oracle.push(key, rings[partitionOf(key, rings.length)] as number)
      })
      const pushed = items.map(({ text }) => bytesOf(text))
      try {
        await all.pushMany(pushed)
      } catch (error) {
        if (!isPartialPushError(error)) throw error
        // The rings that it names as durable must not lose these items.
        for (const [at, item] of items.entries()) {
          if (error.durable.has(all.writerOf(pushed[at] as Uint8Array))) item.committed = true
        }
        throw error.cause
      }
      for (const item of items) item.committed = true
      await clock.sleep(random.float() * pauseMs)
    }
    for (const writer of writers) await writer.close()
  }

  /** Has it end, once what it pushes now is committed. */
  stop(): void {
    this.#isStopped = true
  }
}
