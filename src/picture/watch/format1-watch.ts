import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { Control, type Pointers } from '../../ring/format1/control.ts'
import {
  CONSUMER_SECTOR,
  DATA_SECTOR,
  dataOffset,
  PRODUCER_SECTOR,
} from '../../ring/format1/layout.ts'
import { NO_NAMES } from '../../ring/names.ts'
import type { Role } from '../../ring/roles.ts'
import type { Part } from '../snapshot.ts'
import type { DeviceSeen, FormatWatch } from './format-watch.ts'
import { Remembered } from './remembered.ts'

const NOTHING = new Uint8Array(0)

/** Looks at a ring of format 1. Each look reads both pointer sectors in one request. */
export class Format1Watch implements FormatWatch {
  readonly key = undefined
  readonly #control: Control
  /** Both pointer sectors, as `lookNow` reads them, and as they were before the last look. */
  readonly #memory: Uint8Array
  readonly #known = new Remembered()
  #seen: { readonly pointers: string; readonly view: DeviceSeen } | undefined

  private constructor(control: Control) {
    this.#control = control
    this.#memory = new Uint8Array(2 * control.layout.sectorSize)
  }

  /** @throws as `Control.open` */
  static async open(device: BlockDevice): Promise<Format1Watch> {
    return new Format1Watch(await Control.open(device, NO_NAMES, systemClock))
  }

  async look(): Promise<DeviceSeen> {
    const isRead = this.#readNow()
    const { producer, consumer } = await this.#control.refresh()
    this.#known.set(isRead ? this.#memory : NOTHING)
    const pointers = [producer, consumer]
      .map(({ offset, flag, text }) => `${offset} ${flag} ${text}`)
      .join('\n')
    if (this.#seen?.pointers !== pointers)
      this.#seen = { pointers, view: this.#view({ producer, consumer }) }
    return this.#seen.view
  }

  lookNow(): DeviceSeen | undefined {
    return this.#readNow() && this.#known.equals(this.#memory) ? this.#seen?.view : undefined
  }

  #readNow(): boolean {
    return this.#control.device.readNow?.(PRODUCER_SECTOR, this.#memory) === true
  }

  #view({ producer, consumer }: Pick<Pointers, Role>): DeviceSeen {
    const { layout } = this.#control
    const { sectorSize, sizeSectors, dataBytes } = layout
    const start = DATA_SECTOR * sectorSize
    const part = (name: string, sector: number, note: string): Part => ({
      ...{ kind: 'slot', name, offset: sector * sectorSize, bytes: sectorSize, note },
      current: sector > 0,
    })
    return {
      format: 1,
      deviceBytes: sectorSize * sizeSectors,
      parts: [
        { ...part('magic', 0, 'says that this is a ring'), kind: 'superblock' },
        part('producer pointer', PRODUCER_SECTOR, `byte ${producer.offset}`),
        part('consumer pointer', CONSUMER_SECTOR, `byte ${consumer.offset}`),
      ],
      data: { offset: start, bytes: dataBytes },
      log: {
        used: Number(producer.offset - consumer.offset),
        head: start + dataOffset(layout, consumer.offset),
        tail: start + dataOffset(layout, producer.offset),
      },
      epochs: [],
      producer: { position: String(producer.offset), text: producer.text },
      consumer: { position: String(consumer.offset), text: consumer.text },
      suspended: producer.flag ? 'yes' : consumer.flag ? 'requested' : 'no',
      damage: [],
    }
  }
}
