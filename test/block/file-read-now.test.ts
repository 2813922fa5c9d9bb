import { mkdtemp, open, rm, statfs } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { poolEngine } from '../../src/block/file/engine/pool.ts'
import { syncEngine } from '../../src/block/file/engine/sync.ts'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { findReadNow } from '../../src/block/file/io/read-now.ts'
import { loadNative, type Native } from '../../src/block/native/calls.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { PermittedBlockDevice } from '../../src/block/wrap/permitted.ts'

/** The type of a file system in memory. */
const TMPFS = 0x01021994
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbr-read-now-'))
})
afterAll(() => rm(folder, { recursive: true }))

async function file(name: string): Promise<FileBlockDevice> {
  return FileBlockDevice.create(join(folder, name), { sizeBytes: 64 << 10 })
}

test('a file is read at once as last written, also through a partition', async () => {
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

test('a small read of what is in memory needs no other thread; a large one does', async () => {
  await using device = await file('at once')
  await device.write(9, [new Uint8Array(512).fill(7)])
  const threads = vi.spyOn(poolEngine, 'read')
  const found = new Uint8Array(64 << 10)
  await device.read(0, [found])
  expect(found.subarray(9 * 512, 10 * 512)).toEqual(new Uint8Array(512).fill(7))
  expect(threads).not.toHaveBeenCalled()
  await device.read(0, [found.subarray(0, 512), found.subarray(512, 1024)])
  expect(threads).toHaveBeenCalledTimes(1)
  await device.resize(256)
  await device.read(0, [new Uint8Array(128 << 10)])
  expect(threads).toHaveBeenCalledTimes(2)
  threads.mockRestore()
})

test('a loop of small reads lets the rest of the program have its turns', async () => {
  await using device = await file('loop')
  const found = new Uint8Array(512)
  let isDue = false
  setTimeout(() => {
    isDue = true
  }, 1)
  // Without turns it would end by itself, long after.
  for (let reads = 0; reads < 1_000_000 && !isDue; reads++) await device.read(0, [found])
  expect(isDue).toBe(true)
})

test('a file opened with direct I/O or another engine is not read at once', async () => {
  const { name } = await file('direct')
  const found = new Uint8Array(512)
  for (const options of [{ direct: true }, { engine: { ...syncEngine } }] as const) {
    await using device = await FileBlockDevice.open(name, options)
    expect(device.readNow(0, found)).toBe(false)
  }
})

test('a device that may send nothing any more is not read at once', async () => {
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

test('a read does not wait for what the page cache lacks, nor where the file system does not say', async () => {
  await using device = await file('cold')
  await using handle = await open(device.name)
  const native = (answer: 'read' | 'waits' | 'unsupported') =>
    ({ readCached: () => answer }) as unknown as Native
  const buffer = new Uint8Array(512)
  expect((await findReadNow(handle.fd, device.name, native('read')))?.(buffer, 0)).toBe(true)
  expect((await findReadNow(handle.fd, device.name, native('waits')))?.(buffer, 0)).toBe(false)
  const inMemory = await findReadNow(handle.fd, device.name, native('unsupported'))
  const { type } = await statfs(device.name)
  if (type === TMPFS) expect(inMemory?.(buffer, 0)).toBe(true)
  else expect(inMemory).toBeUndefined()
})

test('what is beyond the end is not read', async () => {
  await using device = await file('end')
  await using handle = await open(device.name)
  const read = await findReadNow(handle.fd, device.name, await loadNative())
  expect(read?.(new Uint8Array(512), 63 << 10)).toBe(true)
  expect(read?.(new Uint8Array(512), 64 << 10)).toBe(false)
})
