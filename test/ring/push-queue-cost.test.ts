import { expect, test } from 'vitest'
import { asPosition } from '../../src/position.ts'
import { PushQueue } from '../../src/ring/queue/push-queue.ts'
import type { Pushed } from '../../src/ring/types.ts'
import { stepsOf } from '../helpers/steps.ts'

const FILES = [
  '/src/ring/queue/push-queue.ts',
  '/src/ring/shared/item-limits.ts',
  '/src/util/abort.ts',
]
/** More than one commit takes. */
const FEW = 9000
/** How many times as many there are for comparison; aborts take their time, because each makes an error. */
const TIMES = 8
const TIMES_ABORTED = 2
const ITEM = new Uint8Array(10)

/** A queue in which so many calls wait, each with one item. */
function waiting(calls: number, signal?: (call: number) => AbortSignal): PushQueue {
  const queue = new PushQueue({ items: 1 << 20, bytes: 1 << 30 }, 'test')
  for (let call = 0; call < calls; call++) {
    queue.addOne(ITEM, signal?.(call)).catch(() => undefined)
  }
  return queue
}

/** What a producer answers that took so many items. */
function pushed(count: number): Pushed {
  const positions = Array.from({ length: count }, (_, index) => asPosition(BigInt(index + 1)))
  return { status: 'ok', pushed: count, position: asPosition(BigInt(count)), positions }
}

/** Commits all that waits. */
function drain(queue: PushQueue): void {
  while (!queue.empty) queue.committed(pushed(queue.next().length), asPosition(0n))
}

const abortAll = (signals: readonly AbortController[]) => () => {
  for (const signal of signals) signal.abort()
}

/** Steps an item, with so many items; everything else is made before the counting begins. */
const costs: Readonly<Record<string, (items: number) => Promise<number>>> = {
  'to be added': (items) => stepsOf(FILES, () => waiting(items)),
  'to be committed': (items) => {
    const queue = waiting(items)
    return stepsOf(FILES, () => drain(queue))
  },
  'of one call to be committed': (items) => {
    const queue = waiting(0)
    queue.add(new Array<Uint8Array>(items).fill(ITEM), undefined).catch(() => undefined)
    return stepsOf(FILES, () => drain(queue))
  },
  'to be aborted, with one signal for all': (items) => {
    const abort = new AbortController()
    waiting(items, () => abort.signal)
    return stepsOf(FILES, abortAll([abort]))
  },
  'to be aborted, each by a signal of its own': (items) => {
    const aborts = Array.from({ length: items }, () => new AbortController())
    waiting(items, (call) => (aborts[call] as AbortController).signal)
    return stepsOf(FILES, abortAll(aborts))
  },
  'to be aborted, the last one first': (items) => {
    const aborts = Array.from({ length: items }, () => new AbortController())
    waiting(items, (call) => (aborts[call] as AbortController).signal)
    return stepsOf(FILES, abortAll(aborts.reverse()))
  },
  'to be aborted while a commit is under way': (items) => {
    const abort = new AbortController()
    const queue = waiting(items, () => abort.signal)
    queue.next()
    return stepsOf(FILES, () => {
      abort.abort()
      queue.committed(undefined, asPosition(0n))
    })
  },
  'to be rejected': (items) => {
    const queue = waiting(items)
    return stepsOf(FILES, () => queue.rejectAll('over'))
  },
}

test.each(Object.entries(costs))(
  'an item takes as many steps %s, however many wait',
  async (name, cost) => {
    const few = (await cost(FEW)) / FEW
    const most = FEW * (name.includes('aborted') ? TIMES_ABORTED : TIMES)
    const many = (await cost(most)) / most
    expect(few).toBeGreaterThan(1)
    expect(many).toBeLessThan(few * 1.25)
  },
)

test.each([
  ['without room', undefined],
  ['with room for a few', pushed(3)],
])('a commit %s takes as many steps, however many wait behind it', async (_, answer) => {
  const cost = (items: number): Promise<number> => {
    const queue = waiting(items)
    return stepsOf(FILES, () => {
      queue.next()
      queue.committed(answer, asPosition(0n))
    })
  }
  const few = await cost(10_000)
  expect(few).toBeGreaterThan(1)
  expect(await cost(20_000)).toBe(few)
})
