import { beforeAll, describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../../src/block/memory.ts'
import { Consumer, Producer } from '../../../src/ring/access/attach.ts'
import { inspectRing } from '../../../src/ring/access/inspect.ts'
import { dumpAt } from '../../../src/ring/maintenance/dump.ts'
import { repairRing } from '../../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../../src/ring/maintenance/verify.ts'
import { BLOCK, DATA, pushBatches, smallRing, take } from '../../helpers/damage.ts'
import { FakeClock } from '../../helpers/fake-clock.ts'
import { deviceBytes } from '../../helpers/golden.ts'

const BLOCKS = 16
const FRONT = [12_288, 16_384] as const
const LAST = DATA + BLOCKS * BLOCK
const ITEMS = [1, 2, 3]

const item = (number: number): Uint8Array => new Uint8Array(100).fill(number)

let before: Uint8Array
beforeAll(async () => {
  const device = await smallRing(BLOCKS)
  await pushBatches(
    device,
    ITEMS.map((number) => [item(number)]),
  )
  before = await deviceBytes(device)
})

/** The ring's device with so many bytes more or less, and with damage at some of them. */
async function resized(by: number, ...damaged: readonly number[]): Promise<MemoryBlockDevice> {
  const bytes = new Uint8Array(before.length + by)
  bytes.set(before.subarray(0, bytes.length))
  for (const offset of damaged) bytes[offset] = (bytes[offset] ?? 0) ^ 0x40
  return MemoryBlockDevice.from(bytes)
}

async function taken(device: MemoryBlockDevice): Promise<readonly number[]> {
  await pushBatches(device, [[item(4)]])
  return (await take(device, 100)).map((popped) => popped.item[0] ?? -1)
}

describe('a device that has grown', () => {
  test.each([512, 4096, 4608, 3 << 20])('by %i bytes', async (by) => {
    const device = await resized(by)
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(await repairRing(device)).toMatchObject({ actions: [], left: [] })
    expect((await dumpAt(device, LAST)).structure).toBe('superblock 3')
    expect((await inspectRing(device)).waitingItems).toBe(ITEMS.length)
    expect(await Producer.create(device)).toEqual({ created: false })
    expect(await taken(device)).toEqual([...ITEMS, 4])
  })

  test.each([
    ['superblock 1', FRONT[0]],
    ['superblock 2', FRONT[1]],
    ['superblock 3', LAST],
  ])('with damage in %s', async (structure, offset) => {
    const device = await resized(1 << 20, offset)
    const { findings } = await verifyRing(device)
    expect(findings.map((finding) => finding.structure)).toEqual([structure])
    expect((await repairRing(device, { write: true })).left).toEqual([])
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(await taken(device)).toEqual([...ITEMS, 4])
  })

  test('with damage in both superblocks in front: the last one is looked for', async () => {
    const device = await resized(5 << 20, ...FRONT)
    const failure = { code: 'RING_CORRUPT', message: expect.stringContaining('sbr repair') }
    await expect(Producer.attach(device)).rejects.toMatchObject(failure)
    await expect(Consumer.attach(device)).rejects.toMatchObject(failure)
    const report = await verifyRing(device)
    expect(report).toMatchObject({ sound: false, log: { items: ITEMS.length } })
    expect(report.findings.map(({ structure }) => structure)).toEqual([
      'superblock 1',
      'superblock 2',
    ])
    const { actions, left } = await repairRing(device, { write: true })
    expect(actions.map(({ action }) => action)).toEqual(FRONT.map(() => 'copied from superblock 3'))
    expect(left).toEqual([])
    expect(await verifyRing(device)).toMatchObject({ sound: true, findings: [] })
    expect(await taken(device)).toEqual([...ITEMS, 4])
  })

  test('with damage in all superblocks', async () => {
    const device = await resized(1 << 20, ...FRONT, LAST)
    const report = await verifyRing(device)
    expect(report.findings.map(({ structure }) => structure)).toEqual(['superblock'])
    expect((await repairRing(device, { write: true })).actions).toEqual([])
  })

  test('whose end has the last superblock of an earlier ring: that does not count', async () => {
    const device = await resized(1 << 20)
    await device.write(0, [new Uint8Array(DATA)])
    expect(await Producer.create(device, { blockSize: BLOCK, eraseOther: true })).toEqual({
      created: true,
    })
    const { sizeSectors } = await device.getInfo()
    for (const offset of [...FRONT, sizeSectors * BLOCK - 4096]) {
      await device.write(offset / BLOCK, [new Uint8Array(BLOCK)])
    }
    const report = await verifyRing(device)
    expect(report.findings.map(({ structure }) => structure)).toEqual(['superblock'])
    expect((await repairRing(device, { write: true })).actions).toEqual([])
  })

  test('looking for a superblock tells its progress, and can be stopped', async () => {
    const device = await resized(5 << 20, ...FRONT, LAST)
    const told: number[] = []
    await verifyRing(device, { onProgress: (done, total) => told.push(done / total) })
    expect(told.length).toBeGreaterThan(4)
    expect(told.at(-1)).toBe(1)
    const signal = AbortSignal.abort(new Error('enough'))
    await expect(verifyRing(device, { signal })).rejects.toThrow('enough')
  })
})

describe('a device that has shrunk', () => {
  const clock = new FakeClock()

  test.each([512, 4096, 8192])('by %i bytes', async (by) => {
    const device = await resized(-by)
    const bytes = await deviceBytes(device)
    const failure = {
      name: 'RingError',
      code: 'RING_DEVICE_TOO_SMALL',
      message: expect.stringContaining('has shrunk'),
      details: { expected: `at least ${before.length}`, found: String(before.length - by) },
    }
    await expect(Producer.attach(device, { clock })).rejects.toMatchObject(failure)
    await expect(Consumer.attach(device, { clock })).rejects.toMatchObject(failure)
    await expect(inspectRing(device)).rejects.toMatchObject(failure)
    await expect(dumpAt(device, 0)).rejects.toMatchObject(failure)
    const report = await verifyRing(device)
    expect(report).toMatchObject({
      sound: false,
      findings: [{ severity: 'damage', structure: 'device size' }],
    })
    expect(report.findings[0]?.advice).toContain('restore the original size')
    const { actions, left } = await repairRing(device, { write: true, rebuild: true })
    expect([actions, left]).toEqual([[], report.findings])
    expect(await deviceBytes(device)).toEqual(bytes)
  })

  test('loses only what was behind its end, once it has its size again', async () => {
    const device = await resized(-4096)
    const again = await MemoryBlockDevice.from(
      Buffer.concat([await deviceBytes(device), new Uint8Array(4096)]),
    )
    expect((await repairRing(again, { write: true })).left).toEqual([])
    expect(await verifyRing(again)).toMatchObject({ sound: true, findings: [] })
    expect(await taken(again)).toEqual([...ITEMS, 4])
  })
})
