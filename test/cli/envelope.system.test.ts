import { describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { bytes, envelope, text } from '../../src/codec/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { frame, jsonError, ok, sbr, type TemporaryFolder, temporaryFolder } from './cli.ts'
import { makeRing } from './rings.ts'

async function ringIn(folder: TemporaryFolder): Promise<string> {
  const path = folder.file('ring')
  await makeRing(path)
  return path
}

const lines = (stdout: Buffer): string[] => stdout.toString().split('\n').slice(0, -1)

test('what is produced with --envelope decodes as one', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  const before = Date.now()
  const flags = ['--envelope', '--header', 'type=order', '--header', 'note=a=b', '--key', 'änna']
  await ok(['produce', path, ...flags], 'one\n\ntwo')
  const item = Buffer.from([0, 10, 255])
  await ok(['produce', path, '--envelope', '--id', '7', '--frames'], frame(item))
  await using device = await FileBlockDevice.open(path)
  await using reader = await RingReader.open(device, { codec: envelope(bytes) })
  const entries = await reader.receiveMany({ maxItems: 10 })
  const common = { headers: { type: 'order', note: 'a=b' }, key: 'änna' }
  const time = expect.any(Number)
  expect(entries.map((entry) => entry.item)).toEqual([
    { item: new Uint8Array(Buffer.from('one')), ...common, time },
    { item: new Uint8Array(0), ...common, time },
    { item: new Uint8Array(Buffer.from('two')), ...common, time },
    { item: new Uint8Array(item), headers: {}, id: '7', time },
  ])
  for (const entry of entries) {
    expect(entry.item.time).toBeGreaterThanOrEqual(before)
    expect(entry.item.time).toBeLessThanOrEqual(Date.now())
  }
})

test('what a program pushes is printed with all that is said about it', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  {
    await using device = await FileBlockDevice.open(path)
    await using writer = await RingWriter.open(device, { codec: envelope(text) })
    await writer.push({ item: 'bare' })
    const headers = { type: 'order', odd: 'tab\there "x"', empty: '' }
    await writer.push({ item: 'a\tb', headers, id: 'id 1', key: 'k:1', time: 0 })
  }
  const printed = [
    '\tbare',
    '1970-01-01T00:00:00.000Z id:"id 1" key:k:1 empty="" odd="tab\\there \\"x\\"" type=order\ta\tb',
  ]
  expect(lines(await ok(['head', path, '--envelope']))).toEqual(printed)
  const objects = lines(await ok(['head', path, '--envelope', '--json']))
  expect(objects.map((line) => JSON.parse(line))).toMatchObject([
    { headers: {}, bytes: 4, hex: Buffer.from('bare').toString('hex') },
    {
      time: '1970-01-01T00:00:00.000Z',
      id: 'id 1',
      key: 'k:1',
      headers: { type: 'order', odd: 'tab\there "x"', empty: '' },
      bytes: 3,
    },
  ])
  expect(lines(await ok(['consume', path, '--envelope', '--json', '--count', '1']))).toEqual(
    objects.slice(0, 1),
  )
  expect(lines(await ok(['consume', path, '--envelope', '--drain']))).toEqual(printed.slice(1))
})

test('an item that is no envelope stays, and those before it are printed and acknowledged', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  await ok(['produce', path, '--envelope'], 'one\ntwo\n')
  await ok(['produce', path], 'raw\n')
  const into = await sbr(['consume', path, '--envelope', '--drain', '--json'])
  expect(into.code).toBe(1)
  expect(lines(into.stdout).map((line) => JSON.parse(line).bytes)).toEqual([3, 3])
  expect(jsonError(into)).toMatchObject({
    code: 'CODEC_DECODE',
    message: expect.stringContaining('is no envelope'),
    position: expect.any(String),
  })
  const head = await sbr(['head', path, '--envelope'])
  expect([head.code, head.stdout.length]).toEqual([1, 0])
  expect(lines(await ok(['consume', path, '--drain']))).toEqual(['raw'])
})

test.each([
  ['--header, --key and --id need --envelope', ['--key', 'k']],
  ['expected NAME=VALUE', ['--envelope', '--header', 'name']],
  ['a name may be given once', ['--envelope', '--header', 'a=1', '--header', 'a=2']],
  ['expected a name of', ['--envelope', '--header', 'a b=1']],
  ['id: expected 1 to 255', ['--envelope', '--id', 'x'.repeat(256)]],
])('produce refuses: %s', async (message, flags) => {
  using folder = temporaryFolder()
  const { code, stderr } = await sbr(['produce', await ringIn(folder), ...flags], 'one\n')
  expect([code, stderr]).toEqual([2, expect.stringContaining(message)])
})

test('frames are not opened', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  for (const command of ['consume', 'head']) {
    const { code, stderr } = await sbr([command, path, '--frames', '--envelope'])
    expect([code, stderr]).toEqual([2, expect.stringContaining('choose one')])
  }
})

test('an id is of one item: a second one is not pushed', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  const ended = await sbr(['produce', path, '--envelope', '--id', '7', '--json'], 'one\ntwo\n')
  expect(ended.code).toBe(1)
  expect(jsonError(ended)).toMatchObject({ code: 'CLI_INPUT', item: 2, pushed: 1 })
  expect(lines(await ok(['consume', path, '--envelope', '--drain']))).toEqual([
    expect.stringMatching(/ id:7\tone$/),
  ])
})

test('an item may be as large as the limit, less its envelope', async () => {
  using folder = temporaryFolder()
  const path = await ringIn(folder)
  const flags = ['--max-item', '1000', '--envelope', '--key', 'k']
  const head = 6 + 8 + 2 + 1
  await ok(['produce', path, ...flags], `${'x'.repeat(1000 - head)}\n`)
  const ended = await sbr(['produce', path, '--json', ...flags], `${'x'.repeat(1001 - head)}\n`)
  expect(jsonError(ended)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE', pushed: 0 })
})

describe('a journal', () => {
  test('performs what is in envelopes, and tells what stands on them', async () => {
    using folder = temporaryFolder()
    const path = await ringIn(folder)
    await ok(['journal', 'push', path, '--envelope', '--id', 'o7', '--header', 'a=1'], 'op\n')
    await ok(['journal', 'push', path, '--envelope', '--key', 'k'], 'next\n')
    const shown = ['sh', '-c', 'cat; echo; echo "$SBR_ENVELOPE"']
    const stdout = await ok(['journal', 'run', path, '--envelope', '--drain', '--', ...shown])
    const [first, one = '', second, two = ''] = lines(stdout)
    expect([first, second]).toEqual(['op', 'next'])
    expect(JSON.parse(one)).toEqual({ time: expect.any(String), id: 'o7', headers: { a: '1' } })
    expect(JSON.parse(two)).toEqual({ time: expect.any(String), key: 'k', headers: {} })
  })

  test('treats what is no envelope as an operation that keeps failing', async () => {
    using folder = temporaryFolder()
    const path = await ringIn(folder)
    await ok(['journal', 'push', path], 'raw\n')
    const ended = await sbr(['journal', 'run', path, '--envelope', '--drain', '--', 'true'])
    expect([ended.code, ended.stderr]).toEqual([1, expect.stringContaining('is not an envelope')])
  })
})
