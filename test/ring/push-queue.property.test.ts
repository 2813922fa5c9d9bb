import { expect, test } from 'vitest'
import { asPosition } from '../../src/position.ts'
import { PushQueue } from '../../src/ring/queue/push-queue.ts'
import type { Pushed } from '../../src/ring/types.ts'
import { fc, runs } from '../helpers/property.ts'

const COMMIT_ITEMS = 8192

/** What was pushed so far, of which each item says which it is. */
class Ring {
  readonly items: number[] = []

  /** Takes as many items from the front as there is room for. */
  take(batch: readonly Uint8Array[], room: number): Pushed | undefined {
    const before = this.items.length
    const taken = batch.slice(0, room)
    for (const item of taken) this.items.push(idOf(item))
    if (taken.length === 0 && batch.length > 0) return undefined
    const positions = taken.map((_, index) => asPosition(BigInt(before + index + 1)))
    return { status: 'ok', pushed: taken.length, position: this.position, positions }
  }

  get position() {
    return asPosition(BigInt(this.items.length))
  }
}

function itemOf(id: number): Uint8Array {
  const item = new Uint8Array(4 + (id % 7))
  new DataView(item.buffer).setUint32(0, id)
  return item
}

function idOf(item: Uint8Array): number {
  return new DataView(item.buffer).getUint32(0)
}

/** One call, and how it ended. */
interface Call {
  readonly ids: readonly number[]
  readonly abort: AbortController
  ended?: { readonly position: bigint } | 'aborted'
}

const step = fc.oneof(
  { weight: 4, arbitrary: fc.record({ add: fc.integer({ min: 0, max: 6 }) }) },
  { weight: 1, arbitrary: fc.constant({ add: COMMIT_ITEMS + 3 }) },
  { weight: 3, arbitrary: fc.record({ abort: fc.nat() }) },
  { weight: 3, arbitrary: fc.constant({ next: true }) },
  { weight: 3, arbitrary: fc.record({ room: fc.integer({ min: 0, max: 12 }) }) },
  { weight: 2, arbitrary: fc.constant({ room: Number.POSITIVE_INFINITY }) },
)

test('items are pushed once, in order, and each call gets its own result, whatever is added, pushed in part and aborted', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const queue = new PushQueue({ items: 1 << 20, bytes: 1 << 30 }, 'test')
      const ring = new Ring()
      const calls: Call[] = []
      let batch: readonly Uint8Array[] | undefined
      let ids = 0
      const add = (count: number): void => {
        const call: Call = {
          ids: Array.from({ length: count }, () => ids++),
          abort: new AbortController(),
        }
        calls.push(call)
        queue.add(call.ids.map(itemOf), call.abort.signal).then(
          (position) => (call.ended = { position }),
          () => (call.ended = 'aborted'),
        )
      }
      for (const taken of [...steps, ...Array.from({ length: 40 }, () => 'drain' as const)]) {
        if (taken === 'drain' || 'next' in taken) batch ??= queue.empty ? undefined : queue.next()
        else if ('add' in taken) add(taken.add)
        else if ('abort' in taken) calls[taken.abort % Math.max(1, calls.length)]?.abort.abort()
        const room = taken === 'drain' ? Number.POSITIVE_INFINITY : 'room' in taken && taken.room
        if (room !== false && batch !== undefined) {
          queue.committed(ring.take(batch, room), ring.position)
          batch = undefined
        }
        await Promise.resolve()
      }
      await new Promise((resolve) => setImmediate(resolve))
      expect(queue.empty).toBe(true)
      expect(queue.bytes).toBe(0)
      expect(ring.items).toEqual([...ring.items].sort((a, b) => a - b))
      expect(new Set(ring.items).size).toBe(ring.items.length)
      const pushed = new Map(ring.items.map((id, index) => [id, index + 1]))
      for (const { ids: own, ended } of calls) {
        if (ended === 'aborted') {
          // Some from the front may be in the ring, but never the last one.
          const isIn = own.map((id) => pushed.has(id))
          expect(isIn).toEqual([...isIn].sort((a, b) => Number(b) - Number(a)))
          expect(isIn.at(-1) ?? false).toBe(false)
        } else {
          const last = own.at(-1)
          if (last !== undefined)
            expect(ended).toEqual({ position: BigInt(pushed.get(last) ?? -1) })
          else expect(ended).toBeDefined()
        }
      }
    }),
    runs(100),
  )
})
