import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { FileBlockDevice, type FileBlockDeviceOptions } from '../../src/block/file/index.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { verifyRing } from '../../src/ring/maintenance/verify.ts'
import type { CreateOptions } from '../../src/ring/types.ts'
import { append, attachProducer } from '../helpers/ring.ts'

const EVEN_BYTES = 128 * 512
const FORMAT_1: CreateOptions = { format: 1 }

function file(bytes: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'sbr-partial-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'ring')
  writeFileSync(path, Buffer.alloc(bytes))
  return path
}

async function open(path: string, options: FileBlockDeviceOptions = {}): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.open(path, options)
  onTestFinished(() => device.disconnect())
  return device
}

test('no ring of format 1 is made where the last sector is not whole', async () => {
  const path = file(EVEN_BYTES + 100)
  await expect(Producer.create(await open(path), FORMAT_1)).rejects.toMatchObject({
    code: 'RING_PARTIAL_SECTOR',
    message: expect.stringContaining(`such as ${EVEN_BYTES} or ${EVEN_BYTES + 512} bytes`),
    details: {
      device: path,
      offset: EVEN_BYTES,
      expected: 'a multiple of 512 bytes',
      found: `${EVEN_BYTES + 100} bytes`,
    },
  })
  expect(readFileSync(path).every((byte) => byte === 0)).toBe(true)
  // Of 4,096 bytes there is no whole number either way.
  truncateSync(path, EVEN_BYTES + 512)
  const large = await open(path, { sectorSize: 4096 })
  await expect(Producer.create(large, FORMAT_1)).rejects.toMatchObject({
    code: 'RING_PARTIAL_SECTOR',
  })
  expect(await Producer.create(await open(path), FORMAT_1)).toEqual({ created: true })
})

test('an existing ring of format 1 there is neither used nor read, and nothing of it changes', async () => {
  const path = file(EVEN_BYTES)
  const even = await open(path)
  await Producer.create(even, FORMAT_1)
  const producer = await attachProducer(even)
  await append(producer, Buffer.from('kept'))
  await producer.close()
  appendFileSync(path, Buffer.alloc(511))
  const before = readFileSync(path)
  const odd = await open(path)
  for (const use of [
    () => Producer.attach(odd),
    () => Consumer.attach(odd),
    () => Producer.create(odd, FORMAT_1),
    () => inspectRing(odd),
    () => verifyRing(odd),
  ]) {
    await expect(use()).rejects.toMatchObject({
      code: 'RING_PARTIAL_SECTOR',
      details: { expected: 'a multiple of 512 bytes', found: `${EVEN_BYTES + 511} bytes` },
    })
  }
  expect(readFileSync(path).equals(before)).toBe(true)
  truncateSync(path, EVEN_BYTES)
  const consumer = await Consumer.attach(odd)
  expect(await consumer.pop()).toMatchObject({ item: Uint8Array.from(Buffer.from('kept')) })
  await consumer.close()
})

test('other content is reported first', async () => {
  const blank = await open(file(EVEN_BYTES + 1))
  await expect(Producer.attach(blank)).rejects.toMatchObject({ code: 'RING_NOT_INITIALISED' })
  const small = await open(file(600))
  await expect(Producer.create(small, FORMAT_1)).rejects.toMatchObject({
    code: 'RING_DEVICE_TOO_SMALL',
  })
})

test('format 2 records its size, and a partition has whole sectors', async () => {
  const odd = await open(file(EVEN_BYTES + 100))
  expect(await odd.getInfo()).toMatchObject({ sizeSectors: 128, unusedBytes: 100 })
  const partition = await PartitionBlockDevice.open(odd, { sectorStart: 0, sectors: 64 })
  expect(await Producer.create(partition, FORMAT_1)).toEqual({ created: true })
  const other = await open(file(EVEN_BYTES + 100))
  expect(await Producer.create(other, { format: 2 })).toEqual({ created: true })
  await (await attachProducer(other)).close()
})
