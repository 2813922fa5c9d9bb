import { expect, test } from 'vitest'
import { Coverage } from '../../../src/block/nbd/transport/coverage.ts'
import { fc, runs } from '../../helpers/property.ts'

const LENGTH = 24

test('each byte is accepted once, in any order of pieces', () => {
  const piece = fc.tuple(fc.integer({ min: -2, max: LENGTH }), fc.integer({ min: 1, max: LENGTH }))
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const coverage = new Coverage(LENGTH)
      const came = new Array<boolean>(LENGTH).fill(false)
      for (const [from, length] of pieces) {
        const outside = from < 0 || from + length > LENGTH
        if (outside || came.slice(from, from + length).includes(true)) {
          expect(() => coverage.add(from, length)).toThrow(/broke the protocol/)
          return
        }
        coverage.add(from, length)
        came.fill(true, from, from + length)
        expect(coverage.complete).toBe(!came.includes(false))
      }
    }),
    runs(1000),
  )
})

test('a request in single bytes, backwards, is complete at the last', () => {
  const coverage = new Coverage(LENGTH)
  for (let at = LENGTH - 1; at >= 0; at--) {
    expect(coverage.complete).toBe(false)
    coverage.add(at, 1)
  }
  expect(coverage.complete).toBe(true)
})
