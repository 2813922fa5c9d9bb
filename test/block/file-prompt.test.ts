import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { syncEngine } from '../../src/block/file/engine/sync.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { PromptReader } from '../../src/block/file/io/prompt.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { PermittedBlockDevice } from '../../src/block/wrap/permitted.ts'

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbr-prompt-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string): Promise<FileBlockDevice> {
  return FileBlockDevice.create(join(folder, name), { sizeBytes: 64 << 10 })
}

test('a file is read at once as it was written last, and so is a partition of it', async () => {
  await using device = await file('cached')
  const partition = await PartitionBlockDevice.open(device, { sectorStart: 8, sectors: 8 })
  await device.write(9, [new Uint8Array(512).fill(7)])
  const found = new Uint8Array(512)
  expect(partition.readNow(1, found)).toBe(true)
  expect(found).toEqual(new Uint8Array(512).fill(7))
  await using other = await FileBlockDevice.open(device.name)
  await other.write(9, [new Uint8Array(512).fill(8)], { durable: true })
  expect(device.readNow(9, found)).toBe(true)
  expect(found).toEqual(new Uint8Array(512).fill(8))
  expect(partition.readNow(8, found)).toBe(false)
})

test('not so one that goes past the cache, nor one whose calls another makes', async () => {
  const { name } = await file('direct')
  const found = new Uint8Array(512)
  for (const options of [{ direct: true }, { engine: { ...syncEngine } }] as const) {
    await using device = await FileBlockDevice.open(name, options)
    expect(device.readNow(0, found)).toBe(false)
  }
})

test('nor where nothing may be sent any more', async () => {
  await using device = await file('permitted')
  let isPermitted = true
  const permitted = new PermittedBlockDevice(device, () => {
    if (!isPermitted) throw new Error('no more')
  })
  const found = new Uint8Array(512)
  expect(permitted.readNow(0, found)).toBe(true)
  isPermitted = false
  expect(permitted.readNow(0, found)).toBe(false)
})

test('after slow reads in a row there are none for fifty times as long', async () => {
  await using device = await file('slow')
  const { open } = await import('node:fs/promises')
  await using handle = await open(device.name)
  const times = [0, 5, 10, 15, 264, 266, 266, 267, 270, 271, 271]
  const reader = new PromptReader(handle.fd, () => times.shift() ?? Number.NaN)
  const buffer = new Uint8Array(512)
  // Two reads of 5 ms; within 250 ms none; then a quick one, and a slow one that stays alone.
  expect(reader.read(buffer, 0)).toBe(true)
  expect(reader.read(buffer, 0)).toBe(true)
  expect(reader.read(buffer, 0)).toBe(false)
  expect(reader.read(buffer, 0)).toBe(true)
  expect(reader.read(buffer, 0)).toBe(true)
  expect(times).toEqual([271, 271])
  expect(reader.read(buffer, 0)).toBe(true)
  expect(times).toEqual([])
})

test('what is beyond the end is not read', async () => {
  await using device = await file('end')
  const { open } = await import('node:fs/promises')
  await using handle = await open(device.name)
  expect(new PromptReader(handle.fd).read(new Uint8Array(512), 64 << 10)).toBe(false)
})
