import { beforeAll, describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { readLeases } from '../../../src/ring/access/lease.ts'
import type { RingInspection } from '../../../src/ring/inspection.ts'
import { dumpAt } from '../../../src/ring/maintenance/dump.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing } from '../../helpers/damage.ts'
import { append, attachProducer, ringDevice } from '../../helpers/ring.ts'
import { UnreadableBlockDevice } from '../../helpers/unreadable.ts'

const SUPERBLOCKS = [12_288, 16_384] as const
const PRODUCER = [20_480, 24_576] as const
const CONSUMER = [28_672, 32_768] as const
const LEASES = { producer: 36_864, consumer: 40_960 } as const

const item = (number: number, length = 100): Uint8Array => new Uint8Array(length).fill(number)

/** Batches in blocks 0, 1 to 2, and 3. */
let ring: MemoryBlockDevice
beforeAll(async () => {
  ring = await smallRing(16)
  await pushBatches(ring, [[item(1)], [item(2, 700)], [item(3)]])
})

async function spoiled(...offsets: readonly number[]): Promise<UnreadableBlockDevice> {
  const device = new UnreadableBlockDevice(await damagedCopy(ring))
  for (const offset of offsets) device.spoil(offset)
  return device
}

/** The items that an inspection answers, and the code of the error that ends them. */
async function itemsOf(state: RingInspection): Promise<readonly (number | string)[]> {
  const found: (number | string)[] = []
  try {
    for await (const popped of state.items()) found.push(popped.item[0] ?? -1)
  } catch (error) {
    found.push((error as { code: string }).code)
  }
  return found
}

describe('dumping where sectors cannot be read', () => {
  test.each([
    ['guard', 0, 0],
    ['superblock 1', SUPERBLOCKS[0], SUPERBLOCKS[0]],
    ['producer slot 2', PRODUCER[1], PRODUCER[1]],
    ['producer lease', LEASES.producer, LEASES.producer],
    ['items of the batch at LSN 1', DATA + 2 * BLOCK, DATA + 2 * BLOCK],
  ])('%s', async (structure, bad, at) => {
    const dump = await dumpAt(await spoiled(bad), at, { length: 16 })
    expect(dump.structure).toContain(structure.startsWith('items') ? 'LSN 1' : structure)
    expect(dump.problem).toMatch(/^cannot be read: the device fails at 512 bytes/)
    expect(dump.unreadable).toEqual([{ offset: at, bytes: 16 }])
    expect(dump.bytes).toEqual(new Uint8Array(16))
  })

  test('shows the bytes around it, and the readable rest of its structure', async () => {
    const device = await spoiled(DATA + 2 * BLOCK)
    const dump = await dumpAt(device, DATA + 2 * BLOCK - 8, { length: 24 })
    expect(dump.bytes).toEqual(Uint8Array.from({ length: 24 }, (_, at) => (at < 8 ? 2 : 0)))
    expect(dump.unreadable).toEqual([{ offset: DATA + 2 * BLOCK, bytes: 16 }])
    const header = await dumpAt(device, DATA + BLOCK)
    expect(header).toMatchObject({ structure: 'header of the batch at LSN 1', unreadable: [] })
    expect(header).not.toHaveProperty('problem')
  })

  test('fields are told apart', async () => {
    const large = await smallRing(64, { blockSize: 4096 })
    const device = new UnreadableBlockDevice(large).spoil(PRODUCER[0])
    const { fields } = await dumpAt(device, PRODUCER[0])
    expect(fields.find(({ name }) => name === 'generation')?.value).toBe('cannot be read')
    const sound = await dumpAt(device, PRODUCER[1])
    expect(sound.fields.find(({ name }) => name === 'generation')?.value).toBe('2')
    expect(sound).toMatchObject({ unreadable: [] })
  })

  test('works without any superblock', async () => {
    const device = await spoiled(...SUPERBLOCKS, DATA + 16 * BLOCK)
    await expect(dumpAt(device, 0)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  })

  test('works in format 1', async () => {
    const device = new UnreadableBlockDevice(await ringDevice()).spoil(BLOCK)
    for (const at of [BLOCK, 5 * BLOCK]) {
      const dump = await dumpAt(device, at, { length: 4 })
      const unreadable = at === BLOCK ? [{ offset: BLOCK, bytes: 4 }] : []
      expect(dump).toMatchObject({ structure: 'not known', unreadable })
      expect(dump.problem).toMatch(/^cannot be read/)
    }
    expect(await dumpAt(device, 0)).toMatchObject({ structure: 'magic sector' })
  })
})

describe('inspecting where sectors cannot be read', () => {
  test('is refused unless it is wanted', async () => {
    const device = await spoiled(PRODUCER[0])
    await expect(inspectRing(device)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  })

  test('all can be read', async () => {
    const state = await inspectRing(ring, { salvage: true })
    expect([state.unreadable, await itemsOf(state)]).toEqual([[], [1, 2, 3]])
    expect(await inspectRing(ring)).not.toHaveProperty('unreadable')
  })

  test.each([
    ['a copy of the superblock', SUPERBLOCKS[0]],
    ['a slot of the producer', PRODUCER[0]],
    ['a slot of the consumer', CONSUMER[1]],
  ])('%s: the other one is enough', async (_, offset) => {
    const state = await inspectRing(await spoiled(offset), { salvage: true })
    expect(state).toMatchObject({ waitingItems: 3, unreadable: [{ offset, bytes: BLOCK }] })
    expect(await itemsOf(state)).toEqual([1, 2, 3, 'BLOCK_IO'])
  })

  test.each([
    [0, ['BLOCK_IO']],
    [2, [1, 'BLOCK_IO']],
    [3, [1, 2, 'BLOCK_IO']],
    [4, [1, 2, 3, 'BLOCK_IO']],
  ])('block %i of the log: the items before it', async (lsn, found) => {
    const device = await spoiled(DATA + lsn * BLOCK)
    expect(await itemsOf(await inspectRing(device, { salvage: true }))).toEqual(found)
  })

  test.each([[PRODUCER], [CONSUMER]])('both slots of a role, at %j', async (slots) => {
    const inspected = inspectRing(await spoiled(...slots), { salvage: true })
    await expect(inspected).rejects.toMatchObject({ code: 'BLOCK_IO' })
  })

  test('works in format 1', async () => {
    const inner = await ringDevice()
    const producer = await attachProducer(inner)
    for (const number of [1, 2, 3]) await append(producer, item(number, 508))
    await producer.close()
    const device = new UnreadableBlockDevice(inner).spoil(4 * BLOCK)
    // Nothing is made up of what cannot be read.
    await expect(inspectRing(device, { salvage: true })).rejects.toMatchObject({ code: 'BLOCK_IO' })
  })
})

describe('inspecting leases that cannot be read', () => {
  test.each(['producer', 'consumer'] as const)(
    'shows the other one if it is that of the %s',
    async (role) => {
      const offset = LEASES[role]
      const other = role === 'producer' ? 'consumer' : 'producer'
      expect(await readLeases(await spoiled(offset))).toEqual({
        uuid: expect.any(String),
        [role]: {
          status: 'unreadable',
          offset,
          problem: `cannot be read: the device fails at ${BLOCK} bytes from byte ${offset} on`,
        },
        [other]: { status: 'never' },
      })
    },
  )

  test('is not affected by other unreadable sectors', async () => {
    const device = await spoiled(SUPERBLOCKS[0], ...PRODUCER, ...CONSUMER)
    const never = { status: 'never' }
    expect(await readLeases(device)).toMatchObject({ producer: never, consumer: never })
  })
})
