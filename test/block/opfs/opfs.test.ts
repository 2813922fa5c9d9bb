import { describe, expect, test } from 'vitest'
import { OpfsBlockDevice } from '../../../src/block/opfs/index.ts'
import { text } from '../../../src/codec/index.ts'
import { deviceConformance } from '../../../src/conformance/index.ts'
import { RingReader } from '../../../src/ring/queue/reader.ts'
import { RingWriter } from '../../../src/ring/queue/writer.ts'
import { FakeBrowser } from './fake-opfs.ts'

const sizeBytes = 2048 * 512

describe('conformance, with a fake browser', () => {
  let files = 0
  const platform = new FakeBrowser()
  deviceConformance({
    test,
    open: () => OpfsBlockDevice.openOrCreate(`ring-${++files}`, { sizeBytes, platform }),
    reopen: ({ name }) => OpfsBlockDevice.open(name, { platform }),
    openSecond: ({ name }) => OpfsBlockDevice.open(name, { platform }),
    openReadOnly: () =>
      OpfsBlockDevice.openOrCreate(`ring-${++files}`, { sizeBytes, mode: 'read-only', platform }),
  })
})

test('a ring in one handle reaches a reader in another', async () => {
  const platform = new FakeBrowser()
  await using one = await OpfsBlockDevice.openOrCreate('a/b/ring', { sizeBytes, platform })
  await using writer = await RingWriter.open(one, { createIfMissing: true, codec: text })
  await using other = await OpfsBlockDevice.open('a/b/ring', { platform })
  await using reader = await RingReader.open(other, { codec: text })
  const received = reader.receive()
  await writer.push('hello')
  expect((await received).item).toBe('hello')
  await expect(RingWriter.open(other)).rejects.toMatchObject({ code: 'BLOCK_CLAIMED' })
})

test('an existing file keeps its size, and a new one is filled once, however many open it at once', async () => {
  const platform = new FakeBrowser()
  const sent: string[] = []
  platform.onSend = (operation) => sent.push(operation)
  const options = { sizeBytes: 8192, platform }
  const devices = await Promise.all([1, 2, 3].map(() => OpfsBlockDevice.openOrCreate('r', options)))
  expect(sent).toEqual(['truncate', 'write', 'flush'])
  expect(devices.filter(({ created }) => created)).toHaveLength(1)
  await using later = await OpfsBlockDevice.openOrCreate('r', { sizeBytes: 4096, platform })
  expect((await later.getInfo()).sizeSectors).toBe(16)
  expect(later.created).toBe(false)
  for (const device of devices) await device.disconnect()
})

test('a file for which there is no room is left empty, and says so', async () => {
  const platform = new FakeBrowser({ quota: 100_000 })
  const opening = OpfsBlockDevice.openOrCreate('r', { sizeBytes: 1 << 20, platform })
  await expect(opening).rejects.toMatchObject({
    code: 'BLOCK_IO',
    message: expect.stringContaining('the quota of this origin is used up'),
  })
  await using small = await OpfsBlockDevice.openOrCreate('r', { sizeBytes: 65_536, platform })
  expect((await small.getInfo()).sizeSectors).toBe(128)
})

test('where handles are exclusive, a second one is refused until the first is closed', async () => {
  const platform = new FakeBrowser({ shared: false })
  const device = await OpfsBlockDevice.openOrCreate('r', { sizeBytes: 65_536, platform })
  expect(device.isOnlyHandle).toBe(true)
  await expect(OpfsBlockDevice.open('r', { platform })).rejects.toMatchObject({
    code: 'BLOCK_CLAIMED',
  })
  await device.disconnect()
  await using again = await OpfsBlockDevice.open('r', { platform })
  expect(again.isOnlyHandle).toBe(true)
})

test('a failing write or flush is an error of the device', async () => {
  const platform = new FakeBrowser()
  await using device = await OpfsBlockDevice.openOrCreate('r', { sizeBytes: 65_536, platform })
  platform.onSend = (operation) => {
    if (operation === 'flush') throw new DOMException('gone', 'InvalidStateError')
  }
  const writing = device.write(3, [new Uint8Array(512)], { durable: true })
  await expect(writing).rejects.toMatchObject({
    code: 'BLOCK_IO',
    message: 'flush of r failed: the file was removed, or the site data cleared (gone)',
  })
})

test.each([
  ['', RangeError],
  ['a//b', RangeError],
  ['../r', RangeError],
  [5n as unknown as string, RangeError],
])('the path %s is refused', async (path, error) => {
  await expect(OpfsBlockDevice.open(path, { platform: new FakeBrowser() })).rejects.toThrow(error)
})

test('a missing file, and a runtime without OPFS, are reported', async () => {
  const missing = OpfsBlockDevice.open('r', { platform: new FakeBrowser() })
  await expect(missing).rejects.toMatchObject({ code: 'BLOCK_OPEN', message: /no such file/ })
  await expect(OpfsBlockDevice.open('r')).rejects.toMatchObject({
    code: 'BLOCK_OPEN',
    message: expect.stringContaining('a dedicated worker'),
  })
})

test('other messages on the channel are ignored', async () => {
  const platform = new FakeBrowser()
  await using device = await OpfsBlockDevice.openOrCreate('r', { sizeBytes: 65_536, platform })
  const onRequest = async (request: string): Promise<string> => request
  await device.claim('producer', { holder: 'me', onRequest })
  const script = platform.channel('shared-block-ring:r')
  const heard: unknown[] = []
  script.onmessage = ({ data }) => heard.push(data)
  for (const message of [null, 1, {}, { kind: 'ask' }, { kind: 'ask', id: 1, role: 'producer' }]) {
    script.postMessage(message)
  }
  script.postMessage({ kind: 'who', id: 'x', role: 'producer' })
  await expect.poll(() => heard).toMatchObject([{ kind: 'answer', id: 'x', answer: 'me' }])
})
