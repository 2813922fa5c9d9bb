import { expect, test } from 'vitest'
import { Fifo } from '../../src/tasks/fifo.ts'
import { fc } from '../helpers/property.ts'

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ push: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 6, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ unshift: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
)

test('a queue is what an array is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = new Fifo<number>()
      let model: number[] = []
      let next = 0
      for (const each of steps) {
        if (each === 'clear') {
          queue.clear()
          model = []
        } else if ('push' in each) {
          for (let count = 0; count < each.push; count++) {
            queue.push(next)
            model.push(next++)
          }
        } else if ('unshift' in each) {
          const items = Array.from({ length: each.unshift }, () => next++)
          queue.unshift(items)
          model.unshift(...items)
        } else {
          for (let count = 0; count < each.shift; count++) expect(queue.shift()).toBe(model.shift())
        }
        expect(queue.size).toBe(model.length)
      }
      while (model.length > 0) expect(queue.shift()).toBe(model.shift())
      expect(queue.shift()).toBeUndefined()
    }),
  )
})
