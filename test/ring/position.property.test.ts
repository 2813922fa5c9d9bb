import { describe, expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { asPosition } from '../../src/position.ts'
import { Consumer, Producer } from '../../src/ring/access/attach.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import { toPosition } from '../../src/ring/format2/position.ts'
import { RingReader } from '../../src/ring/queue/reader.ts'
import { RingWriter } from '../../src/ring/queue/writer.ts'
import { formatPosition, parsePosition } from '../../src/ring/shared/position-text.ts'
import { fc } from '../helpers/property.ts'

const SAFE = Number.MAX_SAFE_INTEGER

/** A ring with an item of the second epoch: the first is of its creation. */
async function ring(format: 1 | 2): Promise<MemoryBlockDevice> {
  const device = new MemoryBlockDevice({ sizeSectors: 256 })
  await Producer.create(device, { format })
  await using writer = await RingWriter.open(device)
  await writer.push(Uint8Array.of(1))
  return device
}

async function attached(device: MemoryBlockDevice) {
  const result = await Producer.attach(device)
  if (result.status !== 'attached') throw new Error('the ring is suspended')
  return result
}

describe('positions as text', () => {
  test('of format 2 are epoch and item, and are parsed back', () => {
    expect(formatPosition(toPosition(1, 42), 2)).toBe('1:42')
    expect(formatPosition(2n ** 53n * (2n ** 60n + 1n) + 42n, 2)).toBe(`${2n ** 60n + 1n}:42`)
    const part = fc.integer({ min: 0, max: SAFE })
    fc.assert(
      fc.property(part, part, (epoch, seq) => {
        const position = toPosition(epoch, seq)
        const text = formatPosition(position, 2)
        expect([text, parsePosition(text)]).toEqual([`${epoch}:${seq}`, position])
      }),
    )
  })

  test('of format 1 are offsets in bytes, and are parsed back', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 62n }), (offset) => {
        const text = formatPosition(offset, 1)
        expect([text, parsePosition(text)]).toEqual([String(offset), asPosition(offset)])
      }),
    )
  })

  test.each([
    '',
    ':',
    '1:',
    ':1',
    '1:2:3',
    '-1',
    '1:-1',
    ' 1',
    '0x10',
    `1:${SAFE + 1}`,
    '9'.repeat(20),
  ])('%j is refused', (text) => expect(() => parsePosition(text)).toThrow(RangeError))

  test.each([5n, 5, null, undefined, Symbol('1:1')])('%s is refused', (text) => {
    expect(() => parsePosition(text as never)).toThrow('expected a position')
  })
})

test.each([1, 2] as const)(
  'an invalid position leaves a producer of format %i as it is',
  async (format) => {
    const { producer } = await attached(await ring(format))
    // The position of a push that answered `retry`, for example.
    await expect(producer.advance(undefined as never)).rejects.toThrow()
    expect(await producer.append([Uint8Array.of(2)])).toMatchObject({ status: 'ok' })
    await producer.close()
  },
)

describe('every message shows positions as text', () => {
  test.each([
    [1, /position 8 lies beyond .* ends at 0$/],
    [2, /position 2:1 lies beyond .* ends at 2:0$/],
  ] as const)('a reader of format %i', async (format, message) => {
    const device = await ring(format)
    const { producer } = await inspectRing(device)
    await using reader = await RingReader.open(device)
    await expect(reader.ackThrough(producer.position)).rejects.toThrow(message)
  })

  test.each([
    [1, /position 80 was not returned/],
    [2, /position 2:3 was not returned/],
  ] as const)('both roles of format %i', async (format, message) => {
    const device = await ring(format)
    const wrong = format === 1 ? asPosition(80n) : toPosition(2, 3)
    const { producer } = await attached(device)
    await expect(producer.advance(wrong)).rejects.toThrow(message)
    await producer.close()
    const consumer = await Consumer.attach(device)
    await expect(consumer.advance(wrong)).rejects.toThrow(message)
    await consumer.close()
  })

  test.each([
    [1, /position 80 was acknowledged already, .* is at 0, the producer at 8$/],
    [2, /position 2:3 was acknowledged already, .* is at 2:0$/],
  ] as const)('a pop of format %i', async (format, message) => {
    const from = format === 1 ? asPosition(80n) : toPosition(2, 3)
    const consumer = await Consumer.attach(await ring(format))
    await expect(consumer.pop(from)).rejects.toThrow(message)
    await consumer.close()
  })

  test.each([
    [1, '8'],
    [2, '2:1'],
  ] as const)('an item of format %i that is too large for its reader', async (format, position) => {
    await using reader = await RingReader.open(await ring(format), { maxItemBytes: 0 })
    await expect(reader.receive()).rejects.toMatchObject({
      code: 'RING_ITEM_TOO_LARGE',
      message: expect.stringContaining(`advance to position ${position} to skip it`),
      details: { position },
    })
  })

  test.each([
    [1, '8'],
    [2, '2:1'],
  ] as const)('an item of format %i that does not decode', async (format, position) => {
    const codec = {
      name: 'none',
      encode: (item: Uint8Array) => item,
      decode: (): Uint8Array => {
        throw new TypeError('never')
      },
    }
    await using reader = await RingReader.open(await ring(format), { codec })
    await expect(reader.receive()).rejects.toThrow(`ends at position ${position} is not none`)
  })
})
