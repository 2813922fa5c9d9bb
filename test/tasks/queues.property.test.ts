import { expect, test } from 'vitest'
import { Arrivals } from '../../src/tasks/arrivals.ts'
import { Fifo } from '../../src/tasks/fifo.ts'
import { fc } from '../helpers/property.ts'

/** What both queues can do, with many at a time. */
interface Queue {
  readonly size: number
  push(numbers: readonly number[]): void
  /** Only one of them has it. */
  unshift?(numbers: readonly number[]): void
  shift(): number | undefined
  clear(): void
}

function fifo(): Queue {
  const queue = new Fifo<number>()
  return {
    get size() {
      return queue.size
    },
    push: (numbers) => {
      for (const each of numbers) queue.push(each)
    },
    unshift: (numbers) => queue.unshift(numbers),
    shift: () => queue.shift(),
    clear: () => queue.clear(),
  }
}

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 9 }) }) },
  { weight: 6, arbitrary: fc.record({ shift: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ unshift: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 1, arbitrary: fc.constant('clear' as const) },
)

test.each([
  ['Fifo', fifo],
  ['Arrivals', (): Queue => new Arrivals<number>()],
] as const)('%s behaves like an array', (_, make) => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const queue = make()
      let model: number[] = []
      let next = 0
      const fresh = (count: number): number[] => Array.from({ length: count }, () => next++)
      for (const each of steps) {
        if (each === 'clear') {
          queue.clear()
          model = []
        } else if ('push' in each) {
          const numbers = fresh(each.push)
          queue.push(numbers)
          model.push(...numbers)
        } else if ('unshift' in each) {
          if (queue.unshift === undefined) continue
          const numbers = fresh(each.unshift)
          queue.unshift(numbers)
          model.unshift(...numbers)
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
