import type { BlockDevice, BlockInfo } from '../../block/device.ts'
import { pause } from '../assert.ts'
import type { Gate, SentRequest } from './gated.ts'

/** A request that was sent. Moments are numbers, later ones higher. */
interface Sent extends SentRequest {
  readonly begun: number
  /** `Infinity` as long as it is not done. */
  done: number
}

/** A device, and what it sends. */
export interface GatedContext {
  readonly device: BlockDevice
  readonly info: BlockInfo
  readonly beneath: Beneath
}

/** Records what a device sends, and lets a case hold it up or fail it. */
export class Beneath {
  /** In the order of sending. */
  readonly sent: Sent[] = []
  /** What a case does with each request. */
  rule: Gate = async () => undefined
  #moment = 0

  readonly gate: Gate = async ({ operation, durable }) => {
    const sent: Sent = { operation, durable, begun: this.now(), done: Number.POSITIVE_INFINITY }
    this.sent.push(sent)
    try {
      await this.rule(sent)
      // What is done at once would hide a flush that does not wait for what it has to cover.
      await pause()
    } finally {
      sent.done = this.now()
    }
  }

  now(): number {
    return ++this.#moment
  }

  since(moment: number): readonly Sent[] {
    return this.sent.filter(({ begun }) => begun > moment)
  }
}
