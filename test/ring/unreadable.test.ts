import { describe, expect, test } from 'vitest'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { repairRing } from '../../src/ring/maintenance/repair.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import { append, attachProducer, ringDevice } from '../helpers/ring.ts'
import { UnreadableBlockDevice } from '../helpers/unreadable.ts'

const SECTOR = 512
const item = (length: number): Uint8Array => new Uint8Array(length).fill(7)

/** Three items in sectors 3 to 7: one of one sector, one of two, and one of two. */
async function makeRing(): Promise<UnreadableBlockDevice> {
  const device = await ringDevice()
  const producer = await attachProducer(device)
  for (const length of [508, 1020, 1020]) await append(producer, item(length))
  await producer.close()
  return new UnreadableBlockDevice(device)
}

describe('a sector of a ring of format 1 that cannot be read', () => {
  test.each([
    [1, 'producer sector', undefined],
    [2, 'consumer sector', undefined],
    [3, 'record', 0],
    [4, 'record', 1],
    [5, 'record', 1],
    [6, 'record', 2],
    [7, 'record', 2],
    [9, 'sector', 3],
  ])('sector %i is damage of a %s, and is left alone', async (sector, structure, items) => {
    const device = (await makeRing()).spoil(sector * SECTOR)
    const report = await verifyRing(device)
    expect(report).toMatchObject({
      format: 1,
      sound: false,
      findings: [{ structure, severity: 'damage', problem: 'cannot be read' }],
    })
    expect(Math.floor((report.findings[0]?.offset ?? 0) / SECTOR)).toBe(sector)
    expect(report.log?.items).toBe(items)
    const repaired = await repairRing(device, { write: true, zeroUnreadable: true })
    expect(repaired).toMatchObject({ written: false, actions: [], left: report.findings })
    expect(device.written).toEqual([])
  })

  test('a record that goes around the end of the data area', async () => {
    const device = await ringDevice(6)
    const producer = await attachProducer(device)
    await append(producer, item(1020))
    await producer.close()
    const consumer = await Consumer.attach(device)
    await consumer.advance((await consumer.popMany()).at(-1)?.position ?? consumer.position)
    await consumer.close()
    const again = await attachProducer(device)
    await append(again, item(1020))
    await again.close()
    for (const sector of [5, 3]) {
      const spoiled = new UnreadableBlockDevice(device).spoil(sector * SECTOR)
      const { findings, log } = await verifyRing(spoiled)
      expect([findings.length, findings[0]?.offset, log?.items]).toEqual([1, sector * SECTOR, 0])
    }
    expect(await verifyRing(device)).toMatchObject({ sound: true, log: { items: 1 } })
  })

  test("without its magic nobody knows that it is a ring: the device's error passes", async () => {
    const device = (await makeRing()).spoil(0)
    await expect(verifyRing(device)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    await expect(repairRing(device)).rejects.toMatchObject({ code: 'BLOCK_IO' })
    await expect(Producer.attach(device)).rejects.toMatchObject({ code: 'BLOCK_IO' })
  })
})
