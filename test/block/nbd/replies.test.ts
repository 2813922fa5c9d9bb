import { expect, test } from 'vitest'
import { Exchange } from '../../../src/block/nbd/transport/exchange.ts'
import { ReplyParser } from '../../../src/block/nbd/transport/replies.ts'
import { ALWAYS } from '../../../src/block/permit.ts'
import { pack } from '../../helpers/fake-nbd.ts'

const LENGTH = 1 << 20
const COOKIE = 7

/** A read in flight into these buffers, and the parser of its reply. */
function reading(parts: readonly Uint8Array[]): { parser: ReplyParser; done(): boolean } {
  const request = { command: 0, flags: 0, offset: 4096, length: LENGTH, parts, permit: ALWAYS }
  let isDone = false
  const exchange = new Exchange(
    request,
    0,
    Number.POSITIVE_INFINITY,
    () => undefined,
    () => undefined,
  )
  const requests = {
    find: () => exchange,
    done: () => {
      exchange.finish()
      isDone = true
    },
  }
  const terms = {
    sizeBytes: 1 << 30,
    flags: 0,
    minimum: 1,
    maximum: 32 << 20,
    maxStatus: 32 << 20,
    structured: true,
    allocation: undefined,
  }
  return { parser: new ReplyParser(requests, terms), done: () => isDone }
}

/** A header of a chunk with all the data, whose bytes follow. */
const HEADER = pack('668e33ef', [2, 1], [2, 1], [8, COOKIE], [4, LENGTH + 8], [8, 4096])

function feed(parser: ReplyParser, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    const space = parser.space()
    const piece = bytes.subarray(at, at + space.length)
    space.set(piece)
    at += piece.length
    parser.filled(piece.length)
  }
}

test('large data is read into the memory of whoever asked for it', () => {
  const parts = [new Uint8Array(LENGTH / 2), new Uint8Array(LENGTH / 2)] as const
  const { parser, done } = reading(parts)
  feed(parser, HEADER)
  for (const part of parts) {
    const space = parser.space()
    expect(space.buffer).toBe(part.buffer)
    expect(space.length).toBe(part.length)
    space.fill(3)
    parser.filled(space.length)
  }
  expect(done()).toBe(true)
  expect(parts.every((part) => part.every((byte) => byte === 3))).toBe(true)
})

test('data in pieces of any size ends up where it belongs, and the parser keeps little of it', () => {
  const data = Uint8Array.from({ length: LENGTH }, (_, at) => (at * 31) >> 3)
  for (const size of [1000, 16_384, 65_536, 100_001]) {
    const whole = new Uint8Array(LENGTH)
    const { parser, done } = reading([whole.subarray(0, 5000), whole.subarray(5000)])
    const message = Buffer.concat([HEADER, data])
    for (let at = 0; at < message.length; ) {
      const space = parser.space()
      if (space.buffer !== whole.buffer) expect(space.length).toBeLessThanOrEqual(65_536)
      const piece = message.subarray(at, at + Math.min(size, space.length))
      space.set(piece)
      at += piece.length
      parser.filled(piece.length)
    }
    expect(done()).toBe(true)
    expect(Buffer.compare(whole, data)).toBe(0)
  }
})
