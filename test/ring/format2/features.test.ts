import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Journal } from '../../../src/journal/journal.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { breakLease, readLeases } from '../../../src/ring/access/lease.ts'
import { SUPERBLOCK, sealBlock } from '../../../src/ring/format2/disk/block.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { dumpAt } from '../../../src/ring/maintenance/dump.ts'
import { migrateRing } from '../../../src/ring/maintenance/migrate.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { resumeRing, suspendRing } from '../../../src/ring/queue/suspend.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'
import { attachProducer } from '../../helpers/ring.ts'

/** Where a superblock says what has to be understood, in bytes from its start. */
const FEATURES = { compatible: 64, readOnlyCompatible: 68, incompatible: 72 } as const

async function ring(): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: 256 })
  await Producer.create(device, { format: 2, blockSize: 512 })
  return device
}

/** A ring with items, all of whose superblocks have a feature more, and checksums that hold. */
async function withFeature(kind: keyof typeof FEATURES, bit: number): Promise<MemoryBlockDevice> {
  const device = await ring()
  const producer = await attachProducer(device)
  await producer.append([Buffer.from('a'), Buffer.from('b')])
  await producer.close()
  const { layout, ring: superblock } = await Disk.open(device)
  for (const offset of layout.superblocks) {
    const block = new Uint8Array(layout.blockSize)
    await device.read(offset / 512, [block])
    const view = new DataView(block.buffer)
    view.setUint32(FEATURES[kind], (view.getUint32(FEATURES[kind], true) | (1 << bit)) >>> 0, true)
    sealBlock(block, { type: SUPERBLOCK, offset, uuid: superblock.uuid, generation: 1 })
    await device.write(offset / 512, [block])
  }
  return device
}

const lease = { owner: 'host-1', timeoutMs: 5000 } as const

const USES: readonly (readonly [string, (device: MemoryBlockDevice) => Promise<unknown>])[] = [
  ['attaching the producer', (device) => Producer.attach(device)],
  ['attaching the producer with a lease', (device) => Producer.attach(device, { lease })],
  ['attaching the consumer', (device) => Consumer.attach(device)],
  ['attaching the consumer with a lease', (device) => Consumer.attach(device, { lease })],
  ['opening a writer', (device) => RingWriter.open(device, { createIfMissing: true })],
  ['opening a reader', (device) => RingReader.open(device)],
  ['starting a journal', (device) => Journal.open(device, async () => undefined)],
  ['inspecting', (device) => inspectRing(device)],
  ['inspecting around what cannot be read', (device) => inspectRing(device, { salvage: true })],
  ['verifying', (device) => verifyRing(device)],
  ['repairing', (device) => repairRing(device, { write: true })],
  [
    'repairing what is said to be of format 2',
    (device) => repairRing(device, { write: true, format: 2, zeroUnreadable: true }),
  ],
  ['showing its bytes', (device) => dumpAt(device, 12_288)],
  ['reading leases', (device) => readLeases(device)],
  ['breaking a lease', (device) => breakLease(device, 'producer')],
  ['suspending', (device) => suspendRing(device)],
  ['resuming', (device) => resumeRing(device)],
  ['migrating from it', async (device) => migrateRing(device, await ring())],
  ['migrating to it', async (device) => migrateRing(await ring(), device)],
]

describe.each([
  ['incompatible', 1],
  ['incompatible', 31],
  ['readOnlyCompatible', 0],
  ['readOnlyCompatible', 31],
] as const)('a ring with an unknown feature, %s bit %i, and sound checksums', (kind, bit) => {
  test.each(USES)('refuses %s, and nothing is written', async (_what, use) => {
    const device = await withFeature(kind, bit)
    const before = hex(await deviceBytes(device))
    await expect(use(device)).rejects.toMatchObject({ code: 'RING_UNSUPPORTED' })
    expect(hex(await deviceBytes(device))).toBe(before)
  })

  test('is not overwritten by another ring, even if that may replace other content', async () => {
    const device = await withFeature(kind, bit)
    const before = hex(await deviceBytes(device))
    expect(await Producer.create(device, { blockSize: 512, eraseOther: true })).toEqual({
      created: false,
    })
    expect(hex(await deviceBytes(device))).toBe(before)
  })
})

test('an unknown compatible feature does not matter', async () => {
  const device = await withFeature('compatible', 31)
  await using consumer = await Consumer.attach(device)
  expect(await consumer.popMany()).toHaveLength(2)
  expect((await verifyRing(device)).findings).toEqual([])
})
