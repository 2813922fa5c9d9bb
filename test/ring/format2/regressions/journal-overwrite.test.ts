import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../../src/block/memory.ts'
import { Journal } from '../../../../src/journal/index.ts'
import { Producer } from '../../../../src/ring/access/attach.ts'

test('a ring that overwrites its oldest items is no journal: operations would be lost', async () => {
  const device = new MemoryBlockDevice({ sizeSectors: 112 })
  const perform = async (): Promise<void> => undefined
  const create = { onFull: 'overwrite', blockSize: 512 } as const
  await expect(Journal.open(device, perform, { createIfMissing: create })).rejects.toThrow(
    RangeError,
  )
  await Producer.create(device, create)
  await expect(Journal.open(device, perform)).rejects.toMatchObject({ code: 'RING_UNSUPPORTED' })
})
