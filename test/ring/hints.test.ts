import { afterEach, expect, test } from 'vitest'
import type { BlockDevice } from '../../src/block/device.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { temporaryFolder } from '../cli/cli.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { SMALL, sectorsFor } from '../helpers/ring.ts'

const SECTORS = sectorsFor(16 << 10)

const endings: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const end of endings.splice(0).reverse()) await end()
})

/** Handles of a file that reports no changes, as two programs have them; each has a part of it. */
async function handles(): Promise<readonly [BlockDevice, BlockDevice]> {
  const folder = temporaryFolder()
  endings.push(() => folder[Symbol.dispose]())
  const path = folder.file('rings')
  await (await FileBlockDevice.create(path, { sizeBytes: 4 * SECTORS * 512 })).disconnect()
  const open = async (): Promise<BlockDevice> => {
    const file = await FileBlockDevice.open(path, { sectorSize: 512 })
    endings.push(() => file.disconnect())
    const part = await PartitionBlockDevice.open(file, { sectorStart: SECTORS, sectors: SECTORS })
    return new HookedDevice(part, { watch: false })
  }
  const both = [await open(), await open()] as const
  await Producer.create(both[0], SMALL)
  return both
}

// The waiting side's clock stands still: a pause ends with a hint, or never.
test('a reader is told of a push by the writer itself, whichever came first', async () => {
  const [pushing, popping] = await handles()
  for (const first of ['reader', 'writer']) {
    const early = first === 'writer' ? await RingWriter.open(pushing) : undefined
    const reader = await RingReader.open(popping, { clock: new FakeClock() })
    const writer = early ?? (await RingWriter.open(pushing))
    for (let pushes = 0; pushes < 20; pushes++) {
      const received = reader.receive()
      await writer.push(Uint8Array.of(pushes))
      const entry = await received
      expect(entry.item).toEqual(Uint8Array.of(pushes))
      await entry.ack()
    }
    await reader.close()
    await writer.close()
  }
})

test('a writer that waits for room is told of an acknowledgement by the reader itself', async () => {
  const [pushing, popping] = await handles()
  await using writer = await RingWriter.open(pushing, { clock: new FakeClock() })
  await using reader = await RingReader.open(popping)
  const item = new Uint8Array(3000)
  const pushed = Array.from({ length: 40 }, () => writer.push(item))
  for (let taken = 0; taken < 40; taken++) await (await reader.receive()).ack()
  await Promise.all(pushed)
})

test('the next writer and the next reader are told, too', async () => {
  const [pushing, popping] = await handles()
  const clock = new FakeClock()
  let reader = await RingReader.open(popping, { clock })
  for (let lives = 0; lives < 5; lives++) {
    const received = reader.receive()
    await using writer = await RingWriter.open(pushing)
    await writer.push(Uint8Array.of(lives))
    await (await received).ack()
    await reader.close()
    reader = await RingReader.open(popping, { clock })
  }
  await reader.close()
})
