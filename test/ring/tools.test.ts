import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { Consumer } from '../../src/ring/access/attach.ts'
import { dumpAt } from '../../src/ring/maintenance/dump.ts'
import { repairRing } from '../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { MeteredDevice } from '../fuzz/meter.ts'
import { deviceBytes, goldenDevice, goldens, hex } from '../helpers/golden.ts'
import { HookedDevice } from '../helpers/hooked.ts'
import { append, attachProducer, ringDevice } from '../helpers/ring.ts'

/** What was damaged in each image that the original made, and where that is. */
const DAMAGED: Readonly<Record<string, readonly [offset: number, structure: string]>> = {
  'corrupt-bool-consumer': [1024 + 8, 'consumer sector'],
  'corrupt-consumer-negative': [1024, 'consumer sector'],
  'corrupt-consumer-unaligned': [1024, 'consumer sector'],
  'corrupt-consumer-very-negative': [1024, 'consumer sector'],
  'corrupt-len-beyond-producer': [1536, 'record'],
  'corrupt-len-huge': [1536, 'record'],
  'corrupt-len-negative': [1536, 'record'],
  'corrupt-pointers-huge': [512, 'producer sector'],
  'corrupt-producer-behind': [512, 'producer sector'],
  'corrupt-producer-negative': [512, 'producer sector'],
}

describe('format 1, as the original wrote it', () => {
  test.each(goldens(false))('$name is sound', async (golden) => {
    const device = new HookedDevice(await goldenDevice(golden))
    const { items_hex, used } = golden.expect
    const report = await verifyRing(device)
    expect(report).toMatchObject({
      format: 1,
      sound: true,
      findings: [],
      log: {
        items: items_hex.length,
        bytes: items_hex.join('').length / 2,
        blocks: Math.ceil(used / golden.sector_size),
      },
    })
    expect(await repairRing(device, { write: true })).toMatchObject({ actions: [], left: [] })
    expect(device.take().every(({ operation }) => operation === 'read')).toBe(true)
  })

  test.each(goldens(true))('$name is damaged, and the place is reported', async (golden) => {
    const device = await goldenDevice(golden)
    const before = hex(await deviceBytes(device))
    const expected = DAMAGED[golden.name]
    if (expected === undefined) {
      await expect(verifyRing(device)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
      return
    }
    const [offset, structure] = expected
    const report = await verifyRing(device)
    expect(report).toMatchObject({ sound: false, findings: [{ severity: 'damage' }] })
    expect(report.findings[0]).toMatchObject({ offset, structure })
    expect(await repairRing(device, { write: true, rebuild: true })).toEqual({
      format: 1,
      written: false,
      actions: [],
      left: report.findings,
      moreLeft: 0,
    })
    expect(hex(await deviceBytes(device))).toBe(before)
  })
})

describe('format 1', () => {
  async function ring(): Promise<MemoryBlockDevice> {
    const device = await ringDevice(7)
    const producer = await attachProducer(device)
    const consumer = await Consumer.attach(device)
    for (const length of [1000, 10, 1200, 5]) {
      await append(producer, new Uint8Array(length).fill(9))
      const popped = await consumer.pop()
      if (length === 1000 && popped.status === 'item') await consumer.advance(popped.position)
    }
    await Promise.all([producer.close(), consumer.close()])
    return device
  }

  test('has damage reported of a text that contradicts its sector, and of a length in the middle', async () => {
    const device = await ring()
    const bytes = await deviceBytes(device)
    const text = Buffer.from(bytes).indexOf('producer = ') + 'producer = '.length
    for (const [at, offset, items] of [
      [text, 512 + 128, undefined],
      // After an item of 1,000 bytes and one of 10: 1004 + 16 bytes into the data.
      [1536 + 1020 + 3, 1536 + 1020, 1],
    ] as const) {
      const damaged = bytes.slice()
      damaged[at] = (damaged[at] ?? 0) ^ 1
      const report = await verifyRing(await MemoryBlockDevice.from(damaged))
      expect(report.findings).toMatchObject([{ severity: 'damage', offset }])
      expect(report.log?.items).toBe(items)
    }
  })

  test('is dumped by byte offset', async () => {
    const device = await ring()
    const at = async (offset: number): Promise<readonly unknown[]> => {
      const { structure, start, length } = await dumpAt(device, offset)
      return [structure, start, length]
    }
    expect(await at(3)).toEqual(['magic sector', 0, 512])
    expect(await at(512)).toEqual(['producer sector', 512, 512])
    expect(await at(1535)).toEqual(['consumer sector', 1024, 512])
    expect(await at(1536 + 500)).toEqual(['free', 1536 + 500, 1])
    expect(await at(1536 + 1004)).toEqual(['length of record 0 at position 1004', 1536 + 1004, 4])
    expect(await at(1536 + 1010)).toEqual(['item of record 0 at position 1004', 1536 + 1008, 10])
    expect(await at(1536 + 1019)).toEqual(['padding of record 0 at position 1004', 1536 + 1018, 2])
    // The third record goes around the end of the data area, which has 2,048 bytes.
    expect(await at(1536 + 100)).toEqual(['item of record 1 at position 1020', 1536 + 1024, 1200])
    const { fields } = await dumpAt(device, 1024)
    expect(fields).toMatchObject([
      { name: 'consumer', offset: 1024, bytes: 8, value: '1004' },
      { name: 'suspend', offset: 1032, bytes: 1, value: '2' },
      { name: 'text', offset: 1152, bytes: 384 },
    ])
  })

  test('has data without a recognisable record reported', async () => {
    const bytes = await deviceBytes(await ring())
    bytes[1536 + 1020 + 3] = 1
    const device = await MemoryBlockDevice.from(bytes)
    expect((await dumpAt(device, 1536 + 1004)).structure).toMatch(/^length of record 0/)
    expect((await dumpAt(device, 1536 + 1200)).problem).toContain('is impossible')
    bytes[1032] = 9
    const other = await MemoryBlockDevice.from(bytes)
    expect((await dumpAt(other, 1024)).problem).toContain('unmarshal a bool')
  })

  test('has a record above the limit of roles skipped, and not read into memory', async () => {
    const MIB = 1 << 20
    const large = 20 * MIB
    const device = await ringDevice((24 * MIB) / 512)
    const producer = await attachProducer(device, { maxItemBytes: large })
    for (const length of [10, large, 5]) await append(producer, new Uint8Array(length).fill(9))
    await producer.close()
    const metered = new MeteredDevice(device, {
      ...{ requests: 1000, moved: 120 * MIB },
      ...{ allocated: 4 * MIB, largest: MIB, grown: 64 * MIB },
    })
    expect(await verifyRing(metered)).toMatchObject({
      sound: true,
      log: { items: 3, bytes: large + 15 },
    })
    const second = 1536 + 16
    const third = second + 4 + large
    for (const [offset, structure] of [
      [second, 'length of record 1 at position 16'],
      [second + 4 + large / 2, 'item of record 1 at position 16'],
      [third + 4, `item of record 2 at position ${16 + 4 + large}`],
    ] as const) {
      expect(await dumpAt(metered, offset)).toMatchObject({ structure })
    }
    const abort = new AbortController()
    const read = new HookedDevice(device)
    read.before = async () => {
      if (read.requests.length > 10) abort.abort(new Error('enough'))
    }
    await expect(verifyRing(read, { signal: abort.signal })).rejects.toThrow('enough')
  })

  test('is verified while it is at work', async () => {
    const device = await ringDevice(6)
    const producer = await attachProducer(device, { refreshIntervalMs: 0 })
    const consumer = await Consumer.attach(device, { refreshIntervalMs: 0 })
    const hooked = new HookedDevice(device)
    let operations = 0
    hooked.before = async () => {
      operations++
      const result = await producer.append([new Uint8Array((operations * 97) % 500)])
      const popped = await consumer.pop()
      if (popped.status === 'item' && (result.status === 'retry' || operations % 3 === 0)) {
        await consumer.advance(popped.position)
      }
    }
    for (let round = 0; round < 200; round++) {
      expect((await verifyRing(hooked)).findings).toEqual([])
    }
    await Promise.all([producer.close(), consumer.close()])
  })
})
