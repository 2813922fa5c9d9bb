import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { FileBlockDevice } from '../../src/block/file/index.ts'
import { Producer } from '../../src/ring/access/attach.ts'
import { frame, jsonError, numbers, ok, sbr, start, temporaryFolder } from './cli.ts'
import { damage, makeRing } from './tools.ts'

async function emptyRing(path: string, format: 1 | 2): Promise<void> {
  await using device = await FileBlockDevice.create(path, { sizeBytes: 1 << 20 })
  await Producer.create(device, { format })
}

const lines = (stdout: Buffer): string[] => stdout.toString().split('\n').slice(0, -1)

describe.each([1, 2] as const)('format %i: head', (format) => {
  test('prints the next items, and changes nothing', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    expect((await sbr(['head', path])).code).toBe(3)
    await ok(['produce', path], numbers(1, 20))
    const before = readFileSync(path)
    expect((await ok(['head', path])).toString()).toBe(numbers(1, 10))
    expect((await ok(['head', path, '-n', '3'])).toString()).toBe(numbers(1, 3))
    expect((await ok(['head', path, '--count', '50'])).toString()).toBe(numbers(1, 20))
    expect(readFileSync(path).equals(before)).toBe(true)
    await ok(['consume', path, '--count', '4'])
    expect((await ok(['head', path, '-n', '1'])).toString()).toBe('5\n')
  })

  test('prints frames, and objects', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    const items = Array.from({ length: 5 }, (_, index) => randomBytes(index * 20_000))
    await ok(['produce', path, '--frames'], Buffer.concat(items.map(frame)))
    const framed = await ok(['head', path, '--frames', '-n', '4'])
    expect(framed.equals(Buffer.concat(items.slice(0, 4).map(frame)))).toBe(true)
    const objects = lines(await ok(['head', path, '--json'])).map((line) => JSON.parse(line))
    expect(objects.map(({ hex }) => hex)).toEqual(items.map((item) => item.toString('hex')))
    expect(objects.map(({ bytes }) => bytes)).toEqual(items.map(({ length }) => length))
    const known = {
      position: expect.stringMatching(/^2:5$/),
      number: 5,
      pushedAt: expect.any(String),
    }
    expect(objects[4]).toMatchObject(format === 2 ? known : { position: '200020' })
    if (format === 2) expect(Date.now() - Date.parse(objects[4].pushedAt)).toBeLessThan(600_000)
  })

  test('works while both ends do', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    const count = 200_000
    await using producer = start(['produce', path])
    producer.child.stdin.end(numbers(1, count))
    await using consumer = start(['consume', path, '--count', String(count)])
    let last = 0
    for (let look = 0; look < 10; look++) {
      const { code, stdout, stderr } = await sbr(['head', path, '-n', '500'])
      expect([0, 3]).toContain(code)
      if (code === 3) expect(stderr).toContain('is empty now')
      // Some may have been acknowledged in between: what comes is in order, and was pushed.
      for (const number of lines(stdout).map(Number)) {
        expect(number).toBeGreaterThan(last)
        last = number
      }
    }
    expect((await consumer.ended).code).toBe(0)
    expect(last).toBeLessThanOrEqual(count)
  })
})

describe.each([1, 2] as const)('format %i: tail', (format) => {
  test('prints the last items, and changes nothing', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    expect((await sbr(['tail', path])).code).toBe(3)
    await ok(['produce', path], numbers(1, 2000))
    await ok(['consume', path, '--count', '5'])
    const before = readFileSync(path)
    expect((await ok(['tail', path])).toString()).toBe(numbers(1991, 2000))
    expect((await ok(['tail', path, '-n', '3'])).toString()).toBe(numbers(1998, 2000))
    expect((await ok(['tail', path, '-n', '9999'])).toString()).toBe(numbers(6, 2000))
    const [last] = lines(await ok(['tail', path, '-n', '1', '--json'])).map((line) =>
      JSON.parse(line),
    )
    expect(last).toMatchObject({ bytes: 4, hex: '32303030' })
    if (format === 2) expect(last).toMatchObject({ position: '2:2000', number: 2000 })
    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('follows, whether there is a consumer or not, until it is stopped', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    await ok(['produce', path], numbers(1, 5))
    await using following = start(['tail', path, '-n', '2', '--follow'])
    await following.printed((stdout) => stdout.toString() === numbers(4, 5))
    await ok(['produce', path], numbers(6, 8))
    await following.printed((stdout) => stdout.toString() === numbers(4, 8))
    await ok(['consume', path, '--drain'])
    await ok(['produce', path], numbers(9, 10))
    await following.printed((stdout) => stdout.toString() === numbers(4, 10))
    following.child.kill('SIGTERM')
    expect(await following.ended).toMatchObject({ code: 0, signal: null, stderr: '' })
  })

  test('shows or counts everything of a ring that is busy', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    {
      await using device = await FileBlockDevice.create(path, { sizeBytes: 128 << 10 })
      await Producer.create(device, { format, ...(format === 2 && { blockSize: 512 }) })
    }
    const count = 60_000
    const width = 10
    const line = (number: number): string => `${String(number).padStart(width, '0')}\n`
    await ok(['produce', path], line(1))
    await using following = start(['tail', path, '--follow', '--json'])
    await following.printed((stdout) => stdout.length > 0)
    await using consumer = start(['consume', path, '--count', String(count + 1)])
    await using producer = start(['produce', path])
    // Held up for some laps, it has to miss items.
    following.child.kill('SIGSTOP')
    const part = count / 3
    for (let number = 2; number <= part; number++) producer.child.stdin.write(line(number))
    await consumer.printed((stdout) => stdout.length === part * (width + 1))
    following.child.kill('SIGCONT')
    for (let number = part + 1; number <= count; number++) {
      producer.child.stdin.write(line(number))
    }
    // What comes once the consumer has had all of it is seen in any case.
    await consumer.printed((stdout) => stdout.length === count * (width + 1))
    consumer.child.kill('SIGTERM')
    await consumer.ended
    producer.child.stdin.end(line(count + 1))
    const last = Buffer.from(line(count + 1).trim()).toString('hex')
    await following.printed((stdout) => stdout.subarray(-200).includes(last))
    following.child.kill('SIGINT')
    const { code, stdout, stderr } = await following.ended
    expect(code).toBe(0)
    const found = lines(stdout).map((text) => JSON.parse(text))
    const events = lines(Buffer.from(stderr)).map((text) => JSON.parse(text))
    expect(events.filter(({ event }) => event !== 'missed')).toEqual([])
    const recordBytes = 4 + 12
    const missed = events.reduce(
      (sum, { items = 0, bytes = 0 }) => sum + items + bytes / recordBytes,
      0,
    )
    const shown = found.map(({ hex }) => Number(Buffer.from(hex, 'hex').toString()))
    shown.forEach((number, index) => {
      expect(number).toBeGreaterThan(shown[index - 1] ?? 0)
    })
    expect(shown.length + missed).toBe(count + 1)
    expect(missed).toBeGreaterThan(0)
  })
})

test('tail --consumed prints what was consumed last, while it is there', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, numbers(1, 20))
  const none = await sbr(['tail', path, '--consumed'])
  expect([none.code, none.stderr]).toEqual([
    3,
    expect.stringContaining('nothing that was consumed'),
  ])
  await ok(['consume', path, '--count', '7'])
  expect((await ok(['tail', path, '--consumed', '-n', '3'])).toString()).toBe(numbers(5, 7))
  const all = await sbr(['tail', path, '--consumed', '-n', '30'])
  expect(all).toMatchObject({ code: 0, stderr: '' })
  expect(all.stdout.toString()).toBe(numbers(1, 7))
  await ok(['consume', path, '--drain'])
  // A few laps, of which only the last is there.
  for (let lap = 0; lap < 3; lap++) {
    await ok(['produce', path], `${'x'.repeat(400)}\n`.repeat(150))
    await ok(['consume', path, '--drain'])
  }
  const rest = await sbr(['tail', path, '--consumed', '-n', '9999', '--frames'])
  expect(rest.code).toBe(0)
  expect(rest.stderr).toContain('what was consumed before these is overwritten')
  expect(rest.stdout.length % 404).toBe(0)
  const [first, last] = [rest.stdout.subarray(0, 404), rest.stdout.subarray(-404)]
  expect(first.equals(last)).toBe(true)
  const both = await sbr(['tail', path, '--consumed', '--follow'])
  expect(both.code).toBe(2)
})

test('tail and peek open envelopes', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await emptyRing(path, 2)
  await ok(['produce', path, '--envelope', '--id', 'order-7'], 'seven\n')
  const shown = (await ok(['tail', path, '--envelope'])).toString()
  expect(shown).toMatch(/^\S+Z id:order-7\tseven\n$/)
  expect((await ok(['peek', path, '--envelope'])).toString()).toBe('seven')
  await ok(['produce', path], 'none\n')
  const stopped = await sbr(['tail', path, '--envelope'])
  expect([stopped.code, stopped.stdout.toString()]).toEqual([1, shown])
  expect(stopped.stderr).toContain('is no envelope')
})

test('tail --consumed of format 1 says why it shows nothing', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await emptyRing(path, 1)
  await ok(['produce', path], 'one\n')
  await ok(['consume', path, '--drain'])
  const refused = await sbr(['tail', path, '--consumed', '--json'])
  expect([refused.code, jsonError(refused)]).toEqual([
    1,
    expect.objectContaining({
      code: 'RING_UNSUPPORTED',
      message: expect.stringContaining('no checksum'),
    }),
  ])
})

test('tail shows items after damage, and then reports it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await ok(['produce', path], 'two\n')
  await ok(['produce', path], 'three\n')
  damage(path, readFileSync(path).indexOf('two'))
  const shown = await sbr(['tail', path])
  expect([shown.code, shown.stdout.toString()]).toEqual([1, 'three\n'])
  expect(shown.stderr).toContain(`see sbr verify ${path}`)
  expect(await sbr(['tail', path, '-n', '1'])).toMatchObject({ code: 0, stderr: '' })
})

test('tail --follow reports damage and continues', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\n')
  await using following = start(['tail', path, '--follow', '--json'])
  await following.printed((stdout) => stdout.includes('6f6e65'))
  following.child.kill('SIGSTOP')
  await ok(['produce', path], 'two\nthree\n')
  await ok(['produce', path], 'four\n')
  damage(path, readFileSync(path).indexOf('two'))
  following.child.kill('SIGCONT')
  await following.printed((stdout) => stdout.includes(Buffer.from('four').toString('hex')))
  following.child.kill('SIGTERM')
  const { code, stdout, stderr } = await following.ended
  expect(code).toBe(0)
  const texts = lines(stdout).map((line) => Buffer.from(JSON.parse(line).hex, 'hex').toString())
  expect(texts).toEqual(['one', 'three', 'four'])
  expect(JSON.parse(stderr)).toMatchObject({ event: 'damaged', items: 1 })
})

test('more than fits into memory is refused', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  {
    await using device = await FileBlockDevice.create(path, { sizeBytes: 100 << 20 })
    await Producer.create(device)
  }
  await ok(['produce', path], `${'x'.repeat(15 << 20)}\n`.repeat(6))
  const refused = await sbr(['tail', path, '--json'])
  expect([refused.code, jsonError(refused)]).toEqual([
    1,
    expect.objectContaining({ code: 'CLI_TOO_MUCH', fit: 4 }),
  ])
  expect((await ok(['tail', path, '-n', '4'])).length).toBe(4 * ((15 << 20) + 1))
})

describe.each([1, 2] as const)('format %i: peek', (format) => {
  test('prints one item and nothing else', async () => {
    using folder = temporaryFolder()
    const path = folder.file('ring')
    await emptyRing(path, format)
    expect((await sbr(['peek', path])).code).toBe(3)
    const items = Array.from({ length: 9 }, (_, index) => randomBytes(1 + index * 1000))
    await ok(['produce', path, '--frames'], Buffer.concat(items.map(frame)))
    await ok(['consume', path, '--count', '3', '--frames'])
    const before = readFileSync(path)
    expect((await ok(['peek', path])).equals(items[3] as Buffer)).toBe(true)
    const heads = lines(await ok(['head', path, '--json'])).map((line) => JSON.parse(line))
    for (const { position, hex } of heads) {
      expect((await ok(['peek', path, '--at', position])).toString('hex')).toBe(hex)
    }
    const missing = await sbr(['peek', path, '--at', format === 2 ? '2:99' : '4', '--json'])
    expect([missing.code, jsonError(missing)]).toEqual([
      3,
      expect.objectContaining({ code: 'CLI_NO_ITEM' }),
    ])
    expect(readFileSync(path).equals(before)).toBe(true)
  })
})

test('peek finds an item by its number, waiting or consumed', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, numbers(1, 20))
  await ok(['consume', path, '--count', '7'])
  for (const number of [2, 7, 8, 12, 19, 20]) {
    expect((await ok(['peek', path, '--number', String(number)])).toString()).toBe(`${number}`)
  }
  expect((await ok(['peek', path, '--at', '2:5'])).toString()).toBe('5')
  const gone = await sbr(['peek', path, '--number', '21'])
  expect([gone.code, gone.stderr]).toEqual([
    3,
    expect.stringContaining('from position 2:7 to 2:20'),
  ])
  expect((await sbr(['peek', path, '--at', '2:5', '--number', '5'])).code).toBe(2)
  expect((await sbr(['peek', path, '--at', 'five'])).code).toBe(2)
})

test('head stops at damage, after what is before it', async () => {
  using folder = temporaryFolder()
  const path = folder.file('ring')
  await makeRing(path, 'one\ntwo\nthree\n')
  damage(path, readFileSync(path).indexOf('two'))
  const stopped = await sbr(['head', path, '--json'])
  expect(stopped.code).toBe(1)
  expect(lines(stopped.stdout).map((line) => JSON.parse(line).hex)).toEqual(['6f6e65'])
  expect(jsonError(stopped)).toMatchObject({ code: 'RING_DAMAGED', items: 1 })
})
