import { expect, test } from 'vitest'
import { bad } from '../../../src/ring/format2/disk/block.ts'
import { SlotPair } from '../../../src/ring/format2/slot-pair.ts'

const slot = (generation: number) => ({ generation })
const DAMAGED = bad('checksum', '1', '2')

test('the older slot is written next, with a generation above both', () => {
  const pair = new SlotPair(slot(4), slot(3))
  expect(pair).toMatchObject({ older: 1, newest: slot(4), nextGeneration: 5 })
  pair.set(1, slot(5))
  expect(pair).toMatchObject({ older: 0, newest: slot(5), nextGeneration: 6 })
})

test('the second of two equal slots is written next', () => {
  expect(new SlotPair(slot(4), slot(4))).toMatchObject({ older: 1, nextGeneration: 5 })
})

test.each([
  ['holds what was written', [slot(4), slot(3)], []],
  ['has lost a write', [slot(2), slot(3)], [0]],
  ['is damaged', [slot(4), DAMAGED], [1]],
  ['has lost both', [slot(1), DAMAGED], [0, 1]],
] as const)('a device that %s', (_, found, lost) => {
  expect(new SlotPair(slot(4), slot(3)).compare(found)).toEqual({ lost, foreign: undefined })
})

test('a slot with a generation that this handle did not write is of another one, whatever the other slot holds', () => {
  const pair = new SlotPair(slot(4), slot(3))
  for (const first of [slot(4), slot(2), DAMAGED]) {
    expect(pair.compare([first, slot(4)]).foreign).toEqual({ which: 1, generation: 4 })
  }
  expect(pair.compare([slot(5), DAMAGED]).foreign).toEqual({ which: 0, generation: 5 })
})
