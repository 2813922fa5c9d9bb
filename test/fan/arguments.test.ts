import { expect, test } from 'vitest'
import { Group, partitioned, receiveFrom, tee } from '../../src/fan/index.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { left, ring } from './rings.ts'

/** What a call without type checking throws. */
async function messageOf(call: (...given: never[]) => unknown, ...given: unknown[]) {
  try {
    await call(...(given as never[]))
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return String(error)
  }
  throw new Error('nothing was thrown')
}

test('one ring, or nothing, in place of a list is told as that', async () => {
  const { device, reader, writer } = await ring()
  const cases = [
    [receiveFrom, [reader], 'receiveFrom takes an array of RingReaders, not one reader'],
    [receiveFrom, [], 'receiveFrom takes an array of RingReaders, not undefined'],
    [receiveFrom, ['a.ring'], 'receiveFrom takes an array of RingReaders, not a text'],
    [tee, [], 'tee takes an array of RingWriters, not undefined'],
    [tee, [writer], 'tee takes an array of RingWriters, not one writer'],
    [partitioned, [writer], 'partitioned takes an array of RingWriters, not one writer'],
    [Group.open, [], 'Group.open takes an array of block devices, not undefined'],
    [Group.open, [device], 'Group.open takes an array of block devices, not one block device'],
  ] as const
  for (const [call, given, message] of cases) {
    expect(await messageOf(call, ...given)).toBe(`TypeError: ${message}`)
  }
})

test('something else in a list is told as what it is', async () => {
  const { device, reader } = await ring()
  const opening = RingReader.open(device)
  opening.catch(() => undefined)
  const made = 'RingReader.open(device) makes one'
  const cases = [
    [receiveFrom, ['a.ring'], `receiveFrom takes RingReaders, not a text; ${made}`],
    [receiveFrom, [device], `receiveFrom takes RingReaders, not a block device; ${made}`],
    [
      receiveFrom,
      [opening],
      'receiveFrom takes RingReaders, not a promise: await RingReader.open(device)',
    ],
    [tee, [device], 'tee takes RingWriters, not a block device; RingWriter.open(device) makes one'],
    [tee, [undefined], 'tee takes RingWriters, not undefined; RingWriter.open(device) makes one'],
    [tee, [{ writter: reader }], 'tee, branch has no option writter; it has writer, onSlow'],
    [
      tee,
      [{ writer: device }],
      'tee takes RingWriters, not a block device; RingWriter.open(device) makes one',
    ],
    [
      partitioned,
      [reader],
      'partitioned takes RingWriters, not a reader; RingWriter.open(device) makes one',
    ],
  ] as const
  for (const [call, given, message] of cases) {
    expect(await messageOf(call, given)).toBe(`TypeError: ${message}`)
  }
})

test('a writer that was closed is refused', async () => {
  const [one, other] = [await ring(), await ring()]
  await one.writer.close()
  const { name } = one.device
  const refused = expect.objectContaining({
    code: 'RING_CLOSED',
    message: `The writer of ${name} was closed: open it again, and add it`,
    details: { device: name },
  })
  const writers = [other.writer, one.writer]
  expect(() => tee(writers)).toThrow(refused)
  expect(() => tee([other.writer, { writer: one.writer }])).toThrow(refused)
  expect(() => tee([other.writer]).add(one.writer)).toThrow(refused)
  expect(() => partitioned(writers, (item) => item)).toThrow(refused)
})

test('options of the readers of a group are validated before any request', async () => {
  const { device } = await ring()
  let requests = 0
  const claim = device.claim.bind(device)
  device.claim = (...given) => {
    requests++
    return claim(...given)
  }
  const misspelt = { reader: { codecs: 1 } }
  expect(await messageOf(Group.open, [device], misspelt)).toContain(
    'Group.open, reader has no option codecs',
  )
  await expect(Group.open([device], { reader: { maxUnacked: 0 } })).rejects.toThrow(RangeError)
  await expect(
    Group.open([device], { reader: { lease: { durationMs: -1 } as never } }),
  ).rejects.toThrow()
  expect(requests).toBe(0)
})

test('a text in place of an array of items is refused, and nothing is pushed', async () => {
  const one = await ring()
  const { writer } = one
  const both = tee([writer])
  const users = partitioned([writer], (item) => item)
  const calls = [
    (items: never) => writer.pushMany(items),
    (items: never) => writer.tryPushMany(items),
    (items: never) => both.pushMany(items),
    (items: never) => users.pushMany(items),
  ]
  for (const call of calls) {
    const message = (found: string): string =>
      `TypeError: pushMany takes an array of items, not ${found}; use push`
    expect(await messageOf(call, 'abc')).toBe(message('a text'))
    expect(await messageOf(call, undefined)).toBe(message('undefined'))
    expect(await messageOf(call, new Set(['a']))).toBe(message('an object'))
  }
  expect(await left(one)).toEqual([])
})
