import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { ALWAYS } from '../../src/block/permit.ts'
import { CheckedBlockDevice } from '../../src/block/wrap/checked.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { PermittedBlockDevice } from '../../src/block/wrap/permitted.ts'
import { ReadOnlyBlockDevice } from '../../src/block/wrap/readonly.ts'
import { BLOCK_CHANNEL, TracedBlockDevice } from '../../src/block/wrap/traced.ts'
import { type DeviceSource, deviceConformance } from '../../src/conformance/index.ts'
import { Pool, type PoolRingDevice } from '../../src/pool/index.ts'
import { temporaryFolder } from './folder.ts'
import { fileSource, partitionSource, wrapped } from './sources.ts'

const below: readonly (readonly [string, () => DeviceSource])[] = [
  ['memory', () => partitionSource(512)],
  ['a file', () => fileSource(temporaryFolder(), {})],
]

for (const [what, source] of below) {
  describe.concurrent(`checked, over ${what}`, () => {
    deviceConformance({ test: test.concurrent, ...wrapped(source(), CheckedBlockDevice.open) })
  })

  describe.concurrent(`a partition, over ${what}`, () => {
    const opened: BlockDevice[] = []
    afterAll(() => Promise.all(opened.map((device) => device.disconnect())))
    const partition = wrapped(source(), async (device) => {
      opened.push(device)
      const { sizeSectors } = await device.getInfo()
      return PartitionBlockDevice.open(device, { sectorStart: 3, sectors: sizeSectors - 5 })
    })
    deviceConformance({ test: test.concurrent, ...partition })
  })

  describe(`traced, over ${what}`, () => {
    const listen = (): void => {}
    beforeAll(() => subscribe(BLOCK_CHANNEL, listen))
    afterAll(() => unsubscribe(BLOCK_CHANNEL, listen))
    deviceConformance({ test: test.concurrent, ...wrapped(source(), TracedBlockDevice.open) })
  })

  describe.concurrent(`read-only, over ${what}`, () => {
    const { open } = source()
    const openReadOnly = async (): Promise<ReadOnlyBlockDevice> =>
      ReadOnlyBlockDevice.open(await open())
    deviceConformance({ test: test.concurrent, open, openReadOnly })
  })
}

describe.concurrent('a ring of a pool', () => {
  const openRing = async (): Promise<PoolRingDevice> => {
    const device = new MemoryBlockDevice({ sizeSectors: 4480 })
    await Pool.create(device)
    const pool = await Pool.open(device)
    await pool.add('ring', { sizeBytes: 3 << 16 })
    return pool.open('ring')
  }
  deviceConformance({ test: test.concurrent, open: openRing })
})

describe.concurrent('with a permit that grants everything', () => {
  const permitted = wrapped(
    partitionSource(512),
    async (device) => new PermittedBlockDevice(device, ALWAYS),
  )
  deviceConformance({ test: test.concurrent, ...permitted })
})

describe('traced, without subscribers', () => {
  deviceConformance({
    test: test.concurrent,
    ...wrapped(partitionSource(512), TracedBlockDevice.open),
  })
})

describe.concurrent('wrappers of wrappers', () => {
  const nested = wrapped(partitionSource(512), async (device) => {
    const checked = await CheckedBlockDevice.open(await TracedBlockDevice.open(device))
    const { sizeSectors } = await checked.getInfo()
    return PartitionBlockDevice.open(checked, { sectorStart: 20, sectors: sizeSectors - 60 })
  })
  deviceConformance({ test: test.concurrent, ...nested })
})
