import type { BlockDevice } from '../../src/block/device.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { Disk } from '../../src/ring/format2/disk/disk.ts'
import { newestProducer } from '../../src/ring/format2/role.ts'

const BLOCK = 4096
export const TIB: number = 2 ** 40

/** Has a blank device of a terabyte hold nothing but a ring whose producer says that all of it was pushed. */
export async function makeFarRing(device: BlockDevice): Promise<void> {
  await Producer.create(device)
  const disk = await Disk.open(device)
  const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
  const committed = { lsn: TIB / BLOCK - 20, seq: 1000, bytes: 5000, crc: 7 }
  for (const which of [0, 1] as const) {
    await disk.writeProducerSlot(which, { ...slot, committed, generation: 5 + which })
  }
}
