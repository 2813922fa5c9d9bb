import type { FileBlockDevice } from '../../block/file/index.ts'
import type { NbdBlockDevice } from '../../block/nbd/index.ts'
import { ForwardingBlockDevice } from '../../block/wrap/forward.ts'
import { Pool } from '../../pool/index.ts'

/** A ring of a pool; closing it also closes the pool's device. */
export class OpenedRing extends ForwardingBlockDevice {
  /** The pool's device. */
  readonly below: FileBlockDevice | NbdBlockDevice

  private constructor(
    ring: ForwardingBlockDevice['inner'],
    below: FileBlockDevice | NbdBlockDevice,
  ) {
    super(ring)
    this.below = below
  }

  get durability(): FileBlockDevice['durability'] | NbdBlockDevice['durability'] {
    return this.below.durability
  }

  /** @throws as `Pool.open` and `Pool.open`; the device is closed then */
  static async open(below: FileBlockDevice | NbdBlockDevice, name: string): Promise<OpenedRing> {
    try {
      return new OpenedRing(await (await Pool.open(below)).open(name), below)
    } catch (error) {
      await below.disconnect()
      throw error
    }
  }

  override async disconnect(): Promise<void> {
    await this.inner.disconnect()
    await this.below.disconnect()
  }
}
