import { expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { cursorAt } from '../../../src/ring/format2/disk/cursor.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { type LogPosition, ORIGIN } from '../../../src/ring/format2/disk/log-position.ts'
import type { ProducerSlot } from '../../../src/ring/format2/disk/slots.ts'
import { ConsumerLog } from '../../../src/ring/format2/log/consumer-log.ts'
import type { Found } from '../../../src/ring/format2/log/found.ts'
import { replay } from '../../../src/ring/format2/log/replay.ts'
import { newestProducer } from '../../../src/ring/format2/role.ts'
import { BLOCK, DATA, pushBatches, smallRing } from '../../helpers/damage.ts'

// The rows of the table in `LogFront.extend`, a test each.

const item = (number: number): Uint8Array => new Uint8Array(100).fill(number)

/** Two batches of a block each. */
async function ring(): Promise<{
  readonly device: MemoryBlockDevice
  readonly disk: Disk
  readonly said: ProducerSlot
  readonly end: LogPosition
}> {
  const device = await smallRing(16)
  await pushBatches(device, [[item(1)], [item(2)]])
  const disk = await Disk.open(device)
  const { slot } = newestProducer((await disk.readSlots()).producer, 'test')
  const { logPosition: end } = await replay(disk, slot)
  return { device, disk, said: slot, end }
}

interface Answer {
  readonly next: Found
  /** How often the slots were read once more. */
  readonly refreshes: number
}

/** Asks what the log begins with. */
async function ask(
  disk: Disk,
  said: ProducerSlot,
  onRefresh: () => Promise<void> = async () => {},
): Promise<Answer> {
  let refreshes = 0
  const log = new ConsumerLog(disk, cursorAt(ORIGIN), said, async () => {
    refreshes++
    await onRefresh()
  })
  const next = await log.next(log.positionOf(cursorAt(ORIGIN)))
  return { next, refreshes }
}

/** Spoils a byte of the first batch. */
async function spoil(device: MemoryBlockDevice, at: number): Promise<() => Promise<void>> {
  const block = new Uint8Array(BLOCK)
  await device.read(DATA / BLOCK, [block])
  const spoiled = block.slice()
  // More than the one bit that could be put right.
  spoiled[at] = (spoiled[at] ?? 0) ^ 0xff
  await device.write(DATA / BLOCK, [spoiled])
  return () => device.write(DATA / BLOCK, [block])
}

const IN_HEADER = 30
const IN_ITEM = 150

const committedAt = (said: ProducerSlot, committed: LogPosition): ProducerSlot => ({
  ...said,
  committed,
})

test.each([
  ['before what is committed', true],
  ['behind it', false],
] as const)('a whole batch is delivered, %s', async (_, isBefore) => {
  const { disk, said, end } = await ring()
  const { next, refreshes } = await ask(disk, committedAt(said, isBefore ? end : ORIGIN))
  expect(next).toMatchObject({ status: 'item', item: item(1) })
  expect(refreshes).toBe(0)
})

test.each([
  ['header', IN_HEADER],
  ['item', IN_ITEM],
] as const)('an uncommitted batch whose %s is not as written ends the log', async (_, at) => {
  const { device, disk, said } = await ring()
  await spoil(device, at)
  const { next, refreshes } = await ask(disk, committedAt(said, ORIGIN))
  expect(next).toEqual({ status: 'nothing' })
  expect(refreshes).toBe(0)
})

test.each([
  ['header', IN_HEADER],
  ['item', IN_ITEM],
] as const)('a committed batch whose %s is not as written is read again', async (_, at) => {
  const { device, disk, said, end } = await ring()
  const mend = await spoil(device, at)
  const { next, refreshes } = await ask(disk, committedAt(said, end), mend)
  expect(next).toMatchObject({ status: 'item', item: item(1) })
  expect(refreshes).toBe(1)
})

test('what is unchanged when read again is damage of that batch if its header is intact', async () => {
  const { device, disk, said, end } = await ring()
  await spoil(device, IN_ITEM)
  const { next, refreshes } = await ask(disk, committedAt(said, end))
  expect(next).toMatchObject({ status: 'damage', items: 1, problem: { structure: 'item' } })
  expect(refreshes).toBe(1)
})

test('what is unchanged when read again is a gap if the header is damaged', async () => {
  const { device, disk, said, end } = await ring()
  await spoil(device, IN_HEADER)
  const { next, refreshes } = await ask(disk, committedAt(said, end))
  expect(next).toMatchObject({ status: 'damage', items: 1, problem: { structure: 'batch header' } })
  expect(refreshes).toBe(1)
})
