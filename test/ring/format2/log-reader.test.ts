import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Producer } from '../../../src/ring/access/attach.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { LogReader } from '../../../src/ring/format2/log/log-reader.ts'
import { newestProducer } from '../../../src/ring/format2/role.ts'

const BLOCK = 512

/** A block of each batch: its header, the middle of its item, and the end of that. */
test.each([0, 1, 2])(
  'what was read ahead before block %i was written is read again',
  async (late) => {
    const device = new MemoryBlockDevice({ sizeSectors: 2048, sectorSize: BLOCK })
    await Producer.create(device, { format: 2, blockSize: BLOCK })
    const attached = await Producer.attach(device)
    if (attached.status !== 'attached') throw new Error(attached.status)
    await using producer = attached.producer
    for (let item = 1; item <= 5; item++) {
      await producer.append([new Uint8Array(2 * BLOCK).fill(item)])
    }
    const disk = await Disk.open(device)
    const slots = await disk.readSlots()
    const { committed, epochs } = newestProducer(slots.producer, device.name).slot
    const walker = new LogReader(disk)
    const found: number[] = []
    let logPosition = committed
    for (let item = 1; item <= 5; item++) {
      // By now the walker has read further than this block, if it reads ahead at all.
      const lsn = logPosition.lsn + 3 + late
      const sector = disk.offsetOf(lsn) / BLOCK
      const written = await disk.readBlocks(lsn, 1)
      await device.write(sector, [new Uint8Array(BLOCK)])
      const batch = await walker.batchAt(logPosition, epochs)
      await device.write(sector, [written])
      expect(batch?.whole).toBe(true)
      found.push(batch?.items.at(0)?.[0] ?? 0)
      logPosition = batch?.end ?? logPosition
    }
    expect(found).toEqual([1, 2, 3, 4, 5])
  },
)
