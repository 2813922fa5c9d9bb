import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { randomFrom } from '../../crash/items.mjs'
import { deviceBytes } from '../../helpers/golden.ts'
import { CachedDevice } from '../../helpers/power.ts'
import { attachProducer } from '../../helpers/ring.ts'

/** At least as many as creating a ring takes, flushes included. */
const WRITES = 16
const DISKS = 20

test.each(Array.from({ length: WRITES }, (_, write) => write))(
  'creating a ring can be done again if the power failed at write %i, whatever sectors were kept',
  async (write) => {
    const choose = randomFrom(write)
    const blank = await deviceBytes(new MemoryBlockDevice({ sizeSectors: 256 }))
    for (let disk = 0; disk < DISKS; disk++) {
      const device = await CachedDevice.from(blank, choose)
      device.failAfter(write)
      const created = Producer.create(device, { format: 2 })
      await created.catch((error: unknown) => expect(error).toMatchObject({ code: 'BLOCK_IO' }))
      const again = await MemoryBlockDevice.from(device.cut())
      await Producer.create(again, { format: 2 })
      await (await attachProducer(again)).close()
      expect(await (await Consumer.attach(again)).popMany()).toEqual([])
    }
  },
)
