import { once } from 'node:events'
import { copyFileSync, linkSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { parseSize } from '../../src/cli/flags/size.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { PoppedItem } from '../../src/ring/types.ts'
import { type Peer, startFake } from '../helpers/fake-nbd.ts'
import { attachProducer } from '../helpers/ring.ts'
import { diagnose, frame, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

/** Makes a ring with items. */
async function ringOf(
  path: string,
  format: 1 | 2,
  items: readonly string[] = [],
  size = '1MiB',
): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: parseSize(size) })
  await Producer.create(device, { format })
  if (items.length === 0) return
  const producer = await attachProducer(device)
  await producer.append(items.map((item) => Buffer.from(item)))
  await producer.close()
}

/** The items that wait. */
async function itemsOf(path: string): Promise<readonly PoppedItem[]> {
  await using device = await FileBlockDevice.open(path, { mode: 'read-only' })
  const { items } = await inspectRing(device)
  const found: PoppedItem[] = []
  for await (const item of items()) found.push(item)
  return found
}

async function textsOf(path: string): Promise<string[]> {
  return (await itemsOf(path)).map(({ item }) => Buffer.from(item).toString())
}

test.each([
  [1, 1],
  [1, 2],
  [2, 1],
  [2, 2],
] as const)('the next item is moved to the end, from format %i to format %i', async (from, to) => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await ringOf(path, from, ['one', 'two', 'three'])
  await ringOf(other, to, ['before'])
  const [first] = await itemsOf(path)
  const moved = await ok(['move', path, other])
  expect(moved.toString()).toBe(`${other}: moved 1 item, 3 bytes\n`)
  expect(await textsOf(path)).toEqual(['two', 'three'])
  expect(await textsOf(other)).toEqual(['before', 'one'])
  const [, last] = await itemsOf(other)
  if (from === 2 && to === 2) expect(last?.pushedAt).toBe(first?.pushedAt)
  await ok(['move', path, other, '--count', 'all'])
  expect(await textsOf(path)).toEqual([])
  expect(await textsOf(other)).toEqual(['before', 'one', 'two', 'three'])
  expect(jsonError(await sbr(['move', path, other, '--json']))).toMatchObject({
    code: 'CLI_EMPTY',
    moved: 0,
  })
  expect((await sbr(['move', path, other])).code).toBe(3)
})

test('any bytes are moved, and --json tells of each item', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await ringOf(path, 2)
  await ringOf(other, 2)
  const items = [frame(Buffer.of(0xff, 0, 0x1b, 0x0a)), frame(Buffer.alloc(0)), frame(Buffer.of(1))]
  await ok(['produce', path, '--frames'], Buffer.concat(items))
  const [first, second] = await itemsOf(path)
  const lines = (await ok(['move', path, other, '-n', '2', '--json'])).toString().trim().split('\n')
  const time = (at = 0): string => new Date(at).toISOString()
  expect(lines.map((line) => JSON.parse(line))).toEqual([
    { position: '2:1', number: 1, pushedAt: time(first?.pushedAt), bytes: 4 },
    { position: '2:2', number: 2, pushedAt: time(second?.pushedAt), bytes: 0 },
  ])
  const there = await ok(['consume', other, '--drain', '--frames'])
  expect(there.equals(Buffer.concat(items.slice(0, 2)))).toBe(true)
  const left = await ok(['consume', path, '--drain', '--frames'])
  expect(left.equals(items[2] as Buffer)).toBe(true)
})

test('a ring is not moved to itself, under whatever name', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await ringOf(path, 2, ['one'])
  linkSync(path, other)
  copyFileSync(path, folder.file('copy'))
  for (const [to, why] of [
    [path, 'are the same'],
    [other, 'are the same'],
    [folder.file('copy'), 'copies of one'],
  ] as const) {
    const refused = await sbr(['move', path, to])
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining(why)])
  }
  expect(await textsOf(path)).toEqual(['one'])
})

test.each([1, 2] as const)(
  'a full ring of format %i is waited for, or it gives up',
  async (format) => {
    using folder = temporaryFolder()
    const [path, other] = [folder.file('ring'), folder.file('other')]
    const large = Array.from({ length: 60 }, (_, index) => `${index}`.padEnd(3000, '.'))
    await ringOf(path, 2, large)
    await ringOf(other, format, [], '128KiB')
    const full = await sbr(['move', path, other, '--count', 'all', '--no-wait', '--json'])
    expect(full.code).toBe(3)
    const { code, moved } = jsonError(full) as { code: string; moved: number }
    expect(code).toBe('CLI_FULL')
    expect(moved).toBeGreaterThan(0)
    // What one has, the other has not.
    expect([...(await textsOf(other)), ...(await textsOf(path))]).toEqual(large)
    expect((await textsOf(other)).length).toBe(moved)

    await using moving = start(['move', path, other, '--count', 'all'])
    await moving.complained((stderr) => stderr.includes(`${other} is full; waiting for a consumer`))
    const drained: string[] = []
    while (drained.length < large.length) {
      const more = await sbr(['consume', other, '--drain'])
      drained.push(...more.stdout.toString().split('\n').slice(0, -1))
    }
    expect(drained).toEqual(large)
    expect((await moving.ended).code).toBe(0)
  },
)

test('it can be stopped while it waits, and what it moved is in one ring only', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  const large = Array.from({ length: 60 }, (_, index) => `${index}`.padEnd(3000, '.'))
  await ringOf(path, 2, large)
  await ringOf(other, 2, [], '128KiB')
  await using moving = start(['move', path, other, '--count', 'all'])
  await moving.complained((stderr) => stderr.includes('is full'))
  moving.child.kill('SIGTERM')
  const { code, stderr } = await moving.ended
  expect([code, stderr]).toEqual([143, expect.stringMatching(/Items moved: \d+ \(CLI_STOPPED\)/)])
  expect([...(await textsOf(other)), ...(await textsOf(path))]).toEqual(large)
})

test('a damaged item is not moved, and the next step is told', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await makeRing(path, 'one\ntwo\nthree\n')
  await ringOf(other, 2)
  damage(path, readFileSync(path).indexOf('one'))
  const before = readFileSync(other)
  const stopped = await sbr(['move', path, other])
  expect(stopped.code).toBe(1)
  expect(stopped.stderr).toMatch(/1 damaged item \(#1\)/)
  expect(stopped.stderr).toContain(
    `Items moved: 0; to skip it here: sbr move ${path} ${other} --skip-damage`,
  )
  expect(readFileSync(other).equals(before)).toBe(true)
  const skipped = await sbr(['move', path, other, '--skip-damage'])
  expect([skipped.code, skipped.stderr]).toEqual([
    0,
    expect.stringContaining('stepping over 1 damaged item (#1)'),
  ])
  expect(await textsOf(other)).toEqual(['two'])
  expect(await diagnose(path, '--no-items')).toMatchObject({
    stats: { acknowledgedItems: 2, damagedItems: 1 },
  })
})

test('an item that is too large for the other ring stays', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await ringOf(path, 2, ['x'.repeat(200_000)])
  await ringOf(other, 2, [], '128KiB')
  const refused = await sbr(['move', path, other, '--json'])
  expect(jsonError(refused)).toMatchObject({ code: 'RING_ITEM_TOO_LARGE', moved: 0 })
  expect(await textsOf(path)).toEqual(['x'.repeat(200_000)])
})

test('the programs that hold the roles are named', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  await ringOf(path, 2, ['one'])
  await ringOf(other, 2)
  await using producer = start(['produce', other, '--client', 'shipper'])
  producer.child.stdin.write('x\n')
  while ((await textsOf(other)).length === 0);
  const refused = await sbr(['move', path, other])
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('shipper')])
  await using consumer = start(['consume', path, '--client', 'indexer'])
  await consumer.printed((stdout) => stdout.toString() === 'one\n')
  expect((await sbr(['move', path, other])).stderr).toContain('indexer')
})

test('killed before it acknowledges, the item is in both rings', async () => {
  using folder = temporaryFolder()
  const [path, other, socket] = ['ring', 'other', 'socket'].map((name) => folder.file(name))
  if (path === undefined || other === undefined || socket === undefined) throw new Error('no names')
  await ringOf(path, 2, ['one', 'two'])
  await ringOf(other, 2)
  const image = readFileSync(path)
  let isHeld = (): void => undefined
  const held = new Promise<void>((resolve) => {
    isHeld = resolve
  })
  /** Serves the image, but no write once the other ring has an item. */
  const serve = async (peer: Peer): Promise<void> => {
    await peer.agree({ size: image.length, structured: false })
    for (;;) {
      const request = await peer.request()
      const { type, offset, length, data } = request
      if (type === 2) return
      if (type === 1) {
        if ((await textsOf(other)).length > 0) return isHeld()
        data.copy(image, offset)
      }
      peer.simple(request)
      if (type === 0) peer.send(image.subarray(offset, offset + length))
    }
  }
  await using _server = await startFake(socket, serve)
  await using moving = start(['move', `nbd+unix:///?socket=${socket}`, other])
  await held
  moving.child.kill('SIGKILL')
  expect((await moving.ended).signal).toBe('SIGKILL')
  writeFileSync(path, image)
  expect(await textsOf(path)).toEqual(['one', 'two'])
  expect(await textsOf(other)).toEqual(['one'])
})

test('killed at any time, every item is in one of the rings, in order', async () => {
  using folder = temporaryFolder()
  const [path, other] = [folder.file('ring'), folder.file('other')]
  const count = 6000
  await ringOf(path, 2, [], '4MiB')
  await ok(['produce', path], numbers(1, count))
  await ringOf(other, 1, [], '4MiB')
  let kills = 0
  for (let left = count; left > 0; ) {
    await using moving = start(['move', path, other, '--count', 'all', '--json'])
    const done = moving.printed((stdout) => stdout.length > 0)
    await Promise.race([done.catch(() => undefined), moving.ended])
    if (moving.child.exitCode === null) {
      moving.child.kill('SIGKILL')
      await once(moving.child, 'close')
      kills++
    }
    const there = (await textsOf(other)).map(Number)
    const rest = (await textsOf(path)).map(Number)
    left = rest.length
    // Some may have been moved twice; none is missing, and each run goes on where the ring is.
    expect(new Set([...there, ...rest]).size).toBe(count)
    expect(rest).toEqual(rest.map((_, index) => count - rest.length + 1 + index))
    there.forEach((number, index) => {
      expect(number).toBeLessThanOrEqual((there[index - 1] ?? 0) + 1)
    })
  }
  expect(kills).toBeGreaterThan(0)
})
