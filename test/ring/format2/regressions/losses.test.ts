import { expect, test } from 'vitest'
import { LossCounter } from '../../../../src/ring/format2/log/loss-counter.ts'

test('a loss that is found later before one that was found first is counted too', () => {
  const losses = new LossCounter()
  losses.add('damaged', 1, 101)
  losses.add('damaged', 1, 51)
  expect(losses.before(60).damaged).toBe(1)
})
