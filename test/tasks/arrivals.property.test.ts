import { expect, test } from 'vitest'
import { Arrivals } from '../../src/tasks/arrivals.ts'
import { fc } from '../helpers/property.ts'

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 6, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
)

test('a queue of arrays is what one array of all in them is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const queue = new Arrivals<number>()
      let model: number[] = []
      let next = 0
      for (const each of steps) {
        if (each === 'clear') {
          queue.clear()
          model = []
        } else if ('push' in each) {
          const items = Array.from({ length: each.push }, () => next++)
          queue.push(items)
          model.push(...items)
        } else {
          for (let count = 0; count < each.shift; count++) expect(queue.shift()).toBe(model.shift())
        }
        expect(queue.size).toBe(model.length)
      }
    }),
  )
})
