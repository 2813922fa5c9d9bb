import type { BlockDevice } from '../../block/device.ts'
import { ForwardingBlockDevice } from '../../block/wrap/forward.ts'

/** Reports each call that transfers or changes data, before it is made. */
export class CountedDevice extends ForwardingBlockDevice {
  readonly #onCall: () => void

  constructor(inner: BlockDevice, onCall: () => void) {
    super(inner)
    this.#onCall = onCall
  }

  override read(...args: Parameters<BlockDevice['read']>): Promise<void> {
    this.#onCall()
    return super.read(...args)
  }

  override write(...args: Parameters<BlockDevice['write']>): Promise<void> {
    this.#onCall()
    return super.write(...args)
  }

  override flush(...args: Parameters<BlockDevice['flush']>): Promise<void> {
    this.#onCall()
    return super.flush(...args)
  }

  override writeZeroes(...args: Parameters<BlockDevice['writeZeroes']>): Promise<void> {
    this.#onCall()
    return super.writeZeroes(...args)
  }

  override discard(...args: Parameters<BlockDevice['discard']>): Promise<void> {
    this.#onCall()
    return super.discard(...args)
  }
}
