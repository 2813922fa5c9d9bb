import type { BlockDevice, BlockInfo } from '../../block/device.ts'
import { pause } from '../assert.ts'
import type { Gate, SentRequest } from './gated.ts'

/** A request that was sent. Moments are numbers, later ones higher. */
interface Sent extends SentRequest {
  readonly begun: number
  /** `Infinity` as long as it is not done. */
  done: number
}

/** A device, and a record of its requests. */
export interface GatedContext {
  readonly device: BlockDevice
  readonly info: BlockInfo
  readonly beneath: Beneath
}

/** Records a device's requests, and lets a case delay or fail them. */
export class Beneath {
  /** In the order of sending. */
  readonly sent: Sent[] = []
  /** Called with each request. */
  rule: Gate = async () => undefined
  #moment = 0

  readonly gate: Gate = async ({ operation, durable }) => {
    const sent: Sent = { operation, durable, begun: this.now(), done: Number.POSITIVE_INFINITY }
    this.sent.push(sent)
    try {
      await this.rule(sent)
      // Immediate completion would hide a flush that does not wait for the writes that it has to cover.
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
