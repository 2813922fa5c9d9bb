import { describe, expect, test } from 'vitest'
import {
  allowsEpoch,
  beginEpoch,
  type Epochs,
  firstUnseen,
} from '../../../src/ring/format2/disk/epochs.ts'
import type { LogPosition } from '../../../src/ring/format2/disk/log-position.ts'

const at = (lsn: number): LogPosition => ({ lsn, seq: lsn, bytes: lsn, crc: lsn })

/** Epochs 1 to n, each ten blocks long. */
function epochsUpTo(n: number, seen: readonly number[], keepFrom: number, limit: number): Epochs {
  let epochs: Epochs = []
  for (let epoch = 1; epoch <= n; epoch++) {
    epochs = beginEpoch(epochs, epoch, at(10 * epoch), keepFrom, seen, limit)
  }
  return epochs
}

describe('the list of epochs', () => {
  test('knows which epoch a batch may belong to', () => {
    const epochs = epochsUpTo(3, [0, 0], 0, 6)
    expect(allowsEpoch(epochs, 10, 1)).toBe(true)
    expect(allowsEpoch(epochs, 19, 1)).toBe(true)
    expect(allowsEpoch(epochs, 20, 1)).toBe(false)
    expect(allowsEpoch(epochs, 19, 2)).toBe(false)
    expect(allowsEpoch(epochs, 35, 3)).toBe(true)
  })

  test('drops epochs in which nothing was written, and those that nobody needs', () => {
    let epochs = beginEpoch([], 1, at(0), 0, [0, 0], 6)
    epochs = beginEpoch(epochs, 2, at(0), 0, [0, 0], 6)
    expect(epochs.map(({ epoch }) => epoch)).toEqual([2])
    expect(epochsUpTo(5, [9, 9], 45, 6).map(({ epoch }) => epoch)).toEqual([4, 5])
  })

  test('merges epochs if there are too many, but never across what a consumer has seen', () => {
    for (const seen of [
      [0, 0],
      [1, 1],
      [4, 4],
      [2, 5],
      [7, 3],
      [12, 12],
    ]) {
      const epochs = epochsUpTo(12, seen, 0, 6)
      expect(epochs.length).toBeLessThanOrEqual(6)
      for (const s of seen) {
        // One who has seen so much goes back to where the next epoch began.
        const start = firstUnseen(epochs, s)?.start.lsn
        expect(start).toBe(s < 12 ? 10 * (s + 1) : undefined)
      }
      // Every batch that was allowed still is.
      for (let epoch = 1; epoch <= 12; epoch++) {
        expect(allowsEpoch(epochs, 10 * epoch, epoch)).toBe(true)
      }
    }
  })
})
