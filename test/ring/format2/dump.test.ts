import { beforeAll, describe, expect, test } from 'vitest'
import type { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { BATCH_HEADER_BYTES, ENTRY_BYTES } from '../../../src/ring/format2/disk/batch.ts'
import { formatUuid } from '../../../src/ring/format2/disk/block.ts'
import { encodeLease } from '../../../src/ring/format2/disk/lease-block.ts'
import {
  encodeConsumerSlot,
  encodeProducerSlot,
  type ProducerSlot,
} from '../../../src/ring/format2/disk/slots.ts'
import { dumpAt } from '../../../src/ring/maintenance/dump.ts'
import { BLOCK, DATA, damagedCopy, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { deviceBytes, hex } from '../../helpers/golden.ts'

const UUID = Uint8Array.from({ length: 16 }, (_, n) => n + 1)
const item = (length: number, byte = 7): Uint8Array => new Uint8Array(length).fill(byte)

/** 16 blocks: one that was acknowledged, and from block 1 on batches of three, of one large and of one small item. */
async function makeRing(): Promise<MemoryBlockDevice> {
  const device = await smallRing(16, { uuid: UUID, name: 'jobs' })
  await pushBatches(device, [[item(1)]])
  await take(device, 1)
  await pushBatches(device, [[item(10), item(0), item(20)], [item(700)], [item(5)]])
  return device
}

let ring: MemoryBlockDevice
beforeAll(async () => {
  ring = await makeRing()
})

async function valuesAt(offset: number, device = ring): Promise<Record<string, string>> {
  const { fields } = await dumpAt(device, offset)
  return Object.fromEntries(fields.map(({ name, value }) => [name, value]))
}

const body = (records: number): number => BATCH_HEADER_BYTES + records * ENTRY_BYTES
const batch = (lsn: number, at = 0): number => DATA + lsn * BLOCK + at

test.each([
  [0, 'guard', 0, 12_288],
  [12_287, 'guard', 0, 12_288],
  [12_288, 'superblock 1', 12_288, 512],
  [12_288 + 512, 'padding', 12_288 + 512, 4096 - 512],
  [16_384 + 511, 'superblock 2', 16_384, 512],
  [DATA + 16 * BLOCK, 'superblock 3', DATA + 16 * BLOCK, 512],
  [DATA + 16 * BLOCK + 4095, 'padding', DATA + 16 * BLOCK + 512, 4096 - 512],
  [20_480, 'producer slot 1', 20_480, 512],
  [24_576, 'producer slot 2', 24_576, 512],
  [28_672, 'consumer slot 1', 28_672, 512],
  [32_768, 'consumer slot 2', 32_768, 512],
  [36_864, 'producer lease', 36_864, 512],
  [40_960, 'consumer lease', 40_960, 512],
  [batch(1), 'header of the batch at LSN 1', batch(1), 80],
  [batch(1, 79), 'header of the batch at LSN 1', batch(1), 80],
  [batch(1, 80), 'table of the batch at LSN 1', batch(1, 80), 24],
  [batch(1, body(3)), 'item 0 of the batch at LSN 1, number 2', batch(1, body(3)), 10],
  [batch(1, body(3) + 10), 'item 2 of the batch at LSN 1, number 4', batch(1, body(3) + 10), 20],
  [batch(1, 511), 'padding of the batch at LSN 1', batch(1, body(3) + 30), 512 - body(3) - 30],
  [batch(3), 'item 0 of the batch at LSN 2, number 5', batch(2, body(1)), 700],
  [batch(0, 88), 'item 0 of the batch at LSN 0, number 1', batch(0, 88), 1],
  [batch(9, 5), 'free', batch(9), 512],
])('byte %i is in: %s', async (offset, structure, start, length) => {
  const found = await dumpAt(ring, offset, { length: 48 })
  expect(found).toMatchObject({ format: 2, structure, start, length })
  expect(found.problem).toBeUndefined()
  const bytes = await deviceBytes(ring)
  expect(hex(found.bytes)).toBe(hex(bytes.subarray(found.offset, found.offset + 48)))
})

describe('fields have the names and values that were written', () => {
  test('of a superblock', async () => {
    expect(await valuesAt(16_384)).toMatchObject({
      magic: 'SBRING2',
      type: '1',
      'own offset': '16384',
      uuid: formatUuid(UUID).replaceAll('-', ''),
      generation: '1',
      'block size': '512',
      'incompatible features': '0',
      'block size of the ring': '512',
      'device bytes': String(DATA + 16 * BLOCK + 4096),
      'data offset': String(DATA),
      'data blocks': '16',
      'checksum algorithm': '1',
      'name length': '4',
      name: 'jobs',
    })
  })

  const logPosition = (n: number): ProducerSlot['truncatedTo'] => ({
    lsn: n,
    seq: n + 1,
    bytes: n + 2,
    crc: n + 3,
  })

  test('of a producer slot', async () => {
    const device = await damagedCopy(ring)
    const block = new Uint8Array(BLOCK)
    encodeProducerSlot(block, 20_480, UUID, {
      generation: 99,
      committed: logPosition(1000),
      reach: 7000,
      truncatedTo: logPosition(500),
      epochs: [
        { epoch: 5, start: logPosition(100), span: 2 },
        { epoch: 9, start: logPosition(900), span: 0 },
      ],
      suspendAck: true,
      time: 1234,
      commits: 77,
      fullPushes: 88,
      text: 'q used by c',
    })
    await device.write(20_480 / BLOCK, [block])
    const values = await valuesAt(20_480, device)
    expect(values).toMatchObject({
      type: '2',
      generation: '99',
      epoch: '9',
      'committed LSN': '1000',
      'committed sequence': '1001',
      'committed bytes': '1002',
      'committed checksum': '1003',
      suspend_ack: '1',
      'number of epochs': '2',
      'text length': '11',
      reach: '7000',
      time: '1234',
      commits: '77',
      'full pushes': '88',
      'truncated to LSN': '500',
      'truncated to checksum': '503',
      text: 'q used by c',
      'epoch 1': '5',
      'epoch 1 start LSN': '100',
      'epoch 1 span': '2',
      'epoch 2': '9',
      'epoch 2 start checksum': '903',
      'epoch 2 span': '0',
    })
  })

  test('of a consumer slot', async () => {
    const device = await damagedCopy(ring)
    const block = new Uint8Array(BLOCK)
    encodeConsumerSlot(block, 32_768, UUID, {
      generation: 98,
      cursor: { logPosition: logPosition(2000), index: 3, bytes: 4000 },
      seen: 8,
      suspend: true,
      damagedItems: 11,
      missedItems: 12,
      time: 4321,
      text: 'abc',
    })
    await device.write(32_768 / BLOCK, [block])
    expect(await valuesAt(32_768, device)).toMatchObject({
      type: '3',
      'seen epoch': '8',
      'cursor LSN': '2000',
      'cursor bytes': '2002',
      'cursor checksum': '2003',
      'index in the batch': '3',
      suspend: '1',
      'bytes before': '4000',
      'damaged items': '11',
      'missed items': '12',
      time: '4321',
      text: 'abc',
    })
  })

  test('of a lease', async () => {
    const device = await damagedCopy(ring)
    const block = new Uint8Array(BLOCK)
    encodeLease(block, 40_960, UUID, {
      status: 'held',
      confirmed: true,
      owner: 'host-a',
      nonce: '00112233445566ff',
      epoch: 3,
      counter: 97,
      timeoutMs: 30_000,
      time: 1_700_000_000_000,
    })
    await device.write(40_960 / BLOCK, [block])
    expect((await dumpAt(device, 40_960)).problem).toBeUndefined()
    expect(await valuesAt(40_960, device)).toMatchObject({
      type: '4',
      generation: '97',
      'times taken': '3',
      time: '1700000000000',
      nonce: '00112233445566ff',
      timeout: '30000',
      status: '1',
      'owner length': '6',
      owner: 'host-a',
    })
    const { structure, problem } = await dumpAt(await damagedCopy(device, 40_960 + 99), 40_960)
    expect([structure, problem]).toEqual(['consumer lease', expect.stringMatching(/^checksum/)])
  })

  test('of a batch', async () => {
    expect(await valuesAt(batch(2))).toMatchObject({
      magic: 'SBRB',
      LSN: '2',
      sequence: '4',
      'bytes before': '31',
      'committed to': '5',
      records: '1',
      'body bytes': '700',
    })
    const { fields } = await dumpAt(ring, batch(1, 84), { length: 6 })
    expect(fields.map(({ name, offset }) => [name, offset - batch(1)])).toEqual([
      ['length of item 0', 80],
      ['checksum of item 0', 84],
      ['length of item 1', 88],
      ['checksum of item 1', 92],
    ])
    expect((await valuesAt(batch(1, body(3) + 15)))['length of item 2']).toBe('20')
  })
})

describe('damage is reported', () => {
  test.each([
    [100, 0, 'guard'],
    [12_300, 12_288, 'superblock 1'],
    [20_490, 20_480, 'producer slot 1'],
    [32_780, 32_768, 'consumer slot 2'],
    [batch(1, 20), batch(1), 'block of a damaged batch, at LSN 1'],
    [batch(2, 20), batch(3), 'block of a damaged batch, at LSN 3'],
    [batch(1, 81), batch(1, 80), 'table of the batch at LSN 1'],
    [batch(1, 81), batch(1, body(3)), 'items of the batch at LSN 1'],
    [batch(2, 600), batch(2, body(1)), 'item 0 of the batch at LSN 2, number 5'],
  ])('byte %i, seen from byte %i', async (at, from, structure) => {
    const found = await dumpAt(await damagedCopy(ring, at), from)
    expect(found.structure).toBe(structure)
    expect(found.problem).toBeTypeOf('string')
  })

  test('a batch is recognised by its header alone, without slots', async () => {
    const device = await damagedCopy(ring, 20_481, 24_577, 28_673, 32_769)
    expect((await dumpAt(device, batch(3))).structure).toMatch(/^item 0 of the batch at LSN 2/)
    expect((await dumpAt(device, batch(9))).structure).toBe('free')
  })
})

test('an offset outside the device is refused, and its end is respected', async () => {
  const end = DATA + 16 * BLOCK + 4096
  expect((await dumpAt(ring, end - 10)).bytes).toHaveLength(10)
  await expect(dumpAt(ring, end)).rejects.toThrow(RangeError)
  await expect(dumpAt(ring, -1)).rejects.toThrow(RangeError)
  await expect(dumpAt(ring, 0, { length: 0 })).rejects.toThrow(RangeError)
})
