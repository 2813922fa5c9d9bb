import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { Control } from '../../ring/format1/control.ts'
import {
  CONSUMER_SECTOR,
  DATA_SECTOR,
  dataOffset,
  PRODUCER_SECTOR,
} from '../../ring/format1/layout.ts'
import { NO_NAMES } from '../../ring/names.ts'
import type { Part } from '../snapshot.ts'
import type { DeviceSeen, FormatWatch } from './format-watch.ts'

/** Looks at a ring of format 1: both pointer sectors in one request. */
export class Format1Watch implements FormatWatch {
  readonly key = undefined
  readonly #control: Control

  private constructor(control: Control) {
    this.#control = control
  }

  /** @throws as `Control.open` */
  static async open(device: BlockDevice): Promise<Format1Watch> {
    return new Format1Watch(await Control.open(device, NO_NAMES, systemClock))
  }

  async look(): Promise<DeviceSeen> {
    const { producer, consumer } = await this.#control.refresh()
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
