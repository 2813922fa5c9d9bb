import { beforeEach, expect, test } from 'vitest'
import { Ledger } from './ledger.ts'

let ledger: Ledger

/** Ten items pushed and delivered, five advanced past; each side is about to move on by two. */
beforeEach(() => {
  ledger = new Ledger()
  ledger.betweenProducers()
  ledger.producer({ event: 'start', next: 0 })
  ledger.producer({ event: 'begin', next: 10 })
  ledger.producer({ event: 'done', next: 10 })
  ledger.producer({ event: 'begin', next: 12 })
  ledger.consumer({ event: 'start', next: 0 })
  ledger.consumer({ event: 'delivered', from: 0, next: 10 })
  ledger.consumer({ event: 'begin', next: 5 })
  ledger.consumer({ event: 'done', next: 5 })
  ledger.consumer({ event: 'begin', next: 7 })
})

test.each([10, 11, 12])(
  'a producer may continue with item %i: the last push was not acknowledged',
  (next) => {
    ledger.betweenProducers()
    ledger.producer({ event: 'start', next })
  },
)

test('an acknowledged push may not be lost', () => {
  expect(() => ledger.producer({ event: 'start', next: 9 })).toThrow('lost')
})

test('a delivered item may not be lost, though its push was not acknowledged', () => {
  ledger.consumer({ event: 'delivered', from: 10, next: 11 })
  ledger.betweenProducers()
  expect(() => ledger.producer({ event: 'start', next: 10 })).toThrow('lost')
})

test('what was never pushed may not be in the ring', () => {
  expect(() => ledger.producer({ event: 'start', next: 13 })).toThrow('never pushed')
  ledger.consumer({ event: 'delivered', from: 10, next: 13 })
  expect(() => ledger.betweenProducers()).toThrow('never pushed')
})

test.each([5, 7])('a consumer may continue with item %i', (next) => {
  ledger.consumer({ event: 'start', next })
  ledger.consumer({ event: 'delivered', from: next, next: 10 })
  expect(ledger.repeats).toBe(10 - next)
})

test.each([4, 6, 8])('a consumer may not continue with item %i', (next) => {
  expect(() => ledger.consumer({ event: 'start', next })).toThrow('had advanced to 5')
})

test.each([9, 11])('item %i may not come in place of item 10', (from) => {
  expect(() => ledger.consumer({ event: 'delivered', from, next: 12 })).toThrow('in place of 10')
})

test('what was not delivered may not be advanced past', () => {
  expect(() => ledger.consumer({ event: 'begin', next: 11 })).toThrow('before it was delivered')
})

test('all items have to come through', () => {
  ledger.consumer({ event: 'done', next: 7 })
  expect(() => ledger.end(10)).toThrow('7 of 10 items were advanced past')
  expect(() => ledger.end(11)).toThrow('10 of 11 items were pushed')
})
