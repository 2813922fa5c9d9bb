import { mkdtempSync, rmSync } from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { PartitionBlockDevice } from '../../src/block/wrap/partition.ts'
import { ReadOnlyBlockDevice } from '../../src/block/wrap/readonly.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { whoHolds } from '../../src/ring/access/holders.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { keptKeyOf, keyOf } from '../../src/ring/shared/key.ts'
import { HookedDevice } from '../helpers/hooked.ts'

const SECTORS = 256

let directory: string
let path: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbr-holders-'))
  path = join(directory, 'ring.img')
})

afterEach(() => rmSync(directory, { recursive: true }))

async function fileRing(format: 1 | 2): Promise<FileBlockDevice> {
  const device = await FileBlockDevice.create(path, { sizeBytes: SECTORS * 512 })
  await Producer.create(device, { format })
  return device
}

describe.each([1, 2] as const)('of a ring of format %i', (format) => {
  test('whoHolds tells client, process, host and since, even to a program that only reads', async () => {
    await using device = await fileRing(format)
    await using other = await FileBlockDevice.open(path, { mode: 'read-only' })
    expect(await whoHolds(other)).toEqual({ producer: undefined, consumer: undefined })
    const before = Date.now()
    const attached = await Producer.attach(device, { queue: 'mail', client: 'web' })
    if (attached.status !== 'attached') throw new Error(attached.status)
    const { producer, consumer } = await whoHolds(other)
    expect(producer).toMatchObject({
      holder: 'client "web" of queue "mail"',
      pid: process.pid,
      host: hostname(),
    })
    const since = Date.parse(producer?.since ?? '')
    expect(since).toBeGreaterThanOrEqual(before)
    expect(since).toBeLessThanOrEqual(Date.now())
    expect(consumer).toBe(undefined)
    await attached.producer.close()
    await using _consumer = await Consumer.attach(device, { client: 'mailer' })
    expect(await whoHolds(other)).toMatchObject({
      producer: undefined,
      consumer: { holder: 'client "mailer"' },
    })
  })

  test('a consumer at work suspends the ring for a program that can read it', async () => {
    await using device = await fileRing(format)
    await using other = await FileBlockDevice.open(path, { mode: 'read-only' })
    await using _consumer = await Consumer.attach(device)
    expect(await other.ask('consumer', 'suspend', { key: keyOf(other) })).not.toBe(undefined)
    expect((await inspectRing(other)).consumer.suspend).toBe(true)
  })
})

test('a holder of a ring of format 2 tells nothing to a program that has not read its UUID', async () => {
  await using device = await fileRing(2)
  await using other = await FileBlockDevice.open(path)
  await using _consumer = await Consumer.attach(device)
  // That there is one is seen all the same, and the kernel may say which process it is.
  const found = await other.holderOf('consumer')
  const unnamed = new RegExp(
    `^(another process|process ${process.pid} of user \\d+, which does not answer)$`,
  )
  expect(found).toEqual({ holder: expect.stringMatching(unnamed) })
  expect(await other.ask('consumer', 'suspend')).toBe(undefined)
  const wrong = async (): Promise<Uint8Array> => new Uint8Array(16)
  expect(await other.ask('consumer', 'suspend', { key: wrong })).toBe(undefined)
  expect(await other.holderOf('consumer', { key: keyOf(other) })).toMatchObject({
    pid: process.pid,
  })
})

test('a holder is found through a partition, and through a read-only wrapper', async () => {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 2 * SECTORS * 512 })
  await using first = await PartitionBlockDevice.open(device, { sectorStart: 0, sectors: SECTORS })
  await using second = await PartitionBlockDevice.open(device, {
    sectorStart: SECTORS,
    sectors: SECTORS,
  })
  for (const part of [first, second]) await Producer.create(part)
  await using _consumer = await Consumer.attach(second, { client: 'second' })
  expect((await whoHolds(first)).consumer).toBe(undefined)
  await using readOnly = await ReadOnlyBlockDevice.open(second)
  expect((await whoHolds(readOnly)).consumer?.holder).toContain('"second"')
})

describe('the key', () => {
  test('is the UUID of a ring of format 2, and there is none in format 1', async () => {
    const blank = new MemoryBlockDevice({ sizeSectors: SECTORS })
    expect(await keyOf(blank)()).toBe(undefined)
    const one = new MemoryBlockDevice({ sizeSectors: SECTORS })
    await Producer.create(one, { format: 1 })
    expect(await keyOf(one)()).toBe(undefined)
    const two = new MemoryBlockDevice({ sizeSectors: SECTORS })
    await Producer.create(two)
    const key = await keyOf(two)()
    expect(key).toHaveLength(16)
    expect(key?.some((byte) => byte !== 0)).toBe(true)
  })

  test('is absent if it cannot be read, and read once if it is kept', async () => {
    const memory = new MemoryBlockDevice({ sizeSectors: SECTORS })
    await Producer.create(memory)
    const device = new HookedDevice(memory)
    const kept = keptKeyOf(device)
    device.before = () => {
      throw new Error('the disk is broken')
    }
    expect(await kept()).toBe(undefined)
    device.before = () => undefined
    const key = await kept()
    expect(key).toHaveLength(16)
    device.take()
    expect(await kept()).toBe(key)
    expect(device.take()).toEqual([])
  })
})
