import { expect, test } from 'vitest'
import { asPosition } from '../../src/position.ts'
import { PushQueue } from '../../src/ring/queue/push-queue.ts'

test.each([0, 1, 2])(
  'a call that is aborted during a commit of %i of its 3 items ends with that commit',
  async (taken) => {
    const queue = new PushQueue({ items: 100, bytes: 1000 }, 'test')
    const stop = new AbortController()
    const itemsOf = (number: number): Uint8Array[] =>
      [0, 1, 2].map((index) => Uint8Array.of(number, index))
    const ended: string[] = []
    const note = (name: string, pushing: Promise<bigint>): void => {
      pushing.then(
        (position) => ended.push(`${name} at ${position}`),
        (reason: Error) => ended.push(`${name}: ${reason.message}`),
      )
    }
    note('first', queue.add(itemsOf(1), stop.signal))
    note('second', queue.addOne(Uint8Array.of(2), undefined))
    const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

    const batch = queue.next()
    expect(batch).toHaveLength(4)
    stop.abort(new Error('changed my mind'))
    await settled()
    // They are on their way: whether they are in the ring is not known yet.
    expect(ended).toEqual([])
    const positions = [1n, 2n, 3n, 4n].slice(0, taken).map(asPosition)
    const position = asPosition(BigInt(taken))
    queue.committed(
      taken === 0 ? undefined : { status: 'ok', pushed: taken, position, positions },
      position,
    )
    await settled()
    expect(ended).toEqual(['first: changed my mind'])

    expect([...queue.next()]).toEqual([Uint8Array.of(2)])
    expect(queue.bytes).toBe(1)
    const last = asPosition(BigInt(taken + 1))
    queue.committed({ status: 'ok', pushed: 1, position: last, positions: [last] }, last)
    await settled()
    expect(ended).toEqual(['first: changed my mind', `second at ${taken + 1}`])
    expect(queue.empty).toBe(true)
    expect(queue.bytes).toBe(0)
  },
)
