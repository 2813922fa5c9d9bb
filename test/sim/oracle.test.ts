import { describe, expect, test } from 'vitest'
import { asPosition } from '../../src/position.ts'
import type { PoppedItem } from '../../src/ring/types.ts'
import { ConsumerSession, itemOf, Oracle } from '../../src/sim/ring/oracle.ts'

const GUARANTEES = {
  lossless: true,
  losses: { overwritten: false, damaged: false },
  damagedAtOnce: Number.POSITIVE_INFINITY,
  authentic: true,
  errors: new Set<string>(),
  attachTakesOver: false,
  quietMs: 12,
  attachRequests: 100,
}

/** Where the ring begins. */
const START = asPosition(0n)
const HERE = { fromOwn: false, damaged: 0 }

function popped(...items: Uint8Array[]): PoppedItem[] {
  return items.map((item) => ({ item, position: asPosition(BigInt(10 + (item[0] ?? 0))) }))
}

/** An oracle that saw two items acknowledged, one whose handle ended meanwhile, and one acknowledged by the next. */
function history(): { oracle: Oracle; items: readonly Uint8Array[] } {
  const oracle = new Oracle(GUARANTEES)
  const first = oracle.producerSession(START)
  const items = [...oracle.pushing(first, [3, 10, 20])]
  oracle.pushed(items, [10n, 11n, 12n])
  oracle.advancing(first, items[1] as Uint8Array)
  oracle.advanced(first, items[1] as Uint8Array)
  oracle.advancing(first, items[2] as Uint8Array)
  oracle.producerEnded(first)
  const second = oracle.producerSession(START)
  const next = oracle.pushing(second, [5, 6])
  oracle.pushed(next, [13n, 14n])
  oracle.advancing(second, next[0] as Uint8Array)
  oracle.advanced(second, next[0] as Uint8Array)
  return { oracle, items: [...items, ...next] }
}

function deliver(...order: readonly number[]): () => void {
  const { oracle, items } = history()
  const wanted = order.map((index) => items[index] as Uint8Array)
  return () => oracle.popped(new ConsumerSession(START), popped(...wanted), HERE)
}

describe('the oracle', () => {
  test('accepts both outcomes of an unacknowledged item: it is there, or not', () => {
    expect(deliver(0, 1, 2, 3)).not.toThrow()
    expect(deliver(0, 1, 3)).not.toThrow()
    expect(deliver(0)).not.toThrow()
  })

  test('detects loss', () => {
    expect(deliver(1)).toThrow(/item 0 was committed, but item 1 came/)
    expect(deliver(0, 2)).toThrow(/item 1 was committed/)
    const { oracle } = history()
    expect(() => oracle.empty(new ConsumerSession(START), oracle.lastCommitted)).toThrow(/empty/)
  })

  test('detects repetition and reordering', () => {
    expect(deliver(0, 0)).toThrow(/delivered again/)
    expect(deliver(0, 1, 0)).toThrow(/delivered again/)
  })

  test('detects uncommitted items', () => {
    expect(deliver(0, 1, 2, 3, 4)).toThrow(/item 4 was delivered, but it was not advanced/)
  })

  test('detects items that were skipped once and are delivered later', () => {
    const { oracle, items } = history()
    oracle.popped(
      new ConsumerSession(START),
      popped(...[0, 1, 3].map((at) => items[at] as Uint8Array)),
      HERE,
    )
    const later = popped(...[0, 1, 2].map((at) => items[at] as Uint8Array))
    expect(() => oracle.popped(new ConsumerSession(START), later, HERE)).toThrow(/dropped before/)
  })

  test('detects items that are delivered again after their acknowledgement, but not after one in doubt', () => {
    const { oracle, items } = history()
    const session = new ConsumerSession(START)
    oracle.popped(session, popped(items[0] as Uint8Array, items[1] as Uint8Array), HERE)
    oracle.acknowledging(1)
    oracle.acknowledged(session, 1, asPosition(10n))
    oracle.acknowledging(2)
    const again = (at: number) => () =>
      oracle.popped(new ConsumerSession(START), popped(items[at] as Uint8Array), HERE)
    expect(again(0)).toThrow(/it was acknowledged/)
    expect(again(1)).not.toThrow()
  })

  test('detects bytes that nobody pushed', () => {
    const { oracle, items } = history()
    const wrong = Uint8Array.from(items[1] as Uint8Array)
    wrong[5] = (wrong[5] ?? 0) ^ 1
    expect(() => oracle.popped(new ConsumerSession(START), popped(wrong), HERE)).toThrow(
      /never pushed/,
    )
    expect(() => oracle.popped(new ConsumerSession(START), popped(itemOf(99, 4)), HERE)).toThrow()
  })

  test('detects positions that differ', () => {
    const { oracle, items } = history()
    const item = { item: items[0] as Uint8Array, position: asPosition(99n) }
    expect(() => oracle.popped(new ConsumerSession(START), [item], HERE)).toThrow(/ended at 10/)
  })

  test('detects a wrong count of missed items, even where the ring went back to where a producer began', () => {
    const LAP = 1000n
    const count = (position: bigint): number => Number(position % LAP)
    const overwrites = { ...GUARANTEES, losses: { overwritten: true, damaged: false } }
    const oracle = new Oracle(overwrites, count)
    const first = oracle.producerSession(START)
    const [lost] = oracle.pushing(first, [3]) as [Uint8Array]
    const session = new ConsumerSession(START)
    oracle.advancing(first, lost)
    oracle.popped(session, [{ item: lost, position: asPosition(1n) }], HERE)
    oracle.producerEnded(first)
    const second = oracle.producerSession(asPosition(LAP))
    const items = oracle.pushing(second, [3, 3])
    oracle.advancing(second, items[1] as Uint8Array)
    oracle.advanced(second, items[1] as Uint8Array)
    const told = (missed: number) => () => {
      const item = { item: items[1] as Uint8Array, position: asPosition(LAP + 2n), missed }
      const again = Object.assign(new ConsumerSession(START), session)
      oracle.popped(again, [item], HERE)
    }
    expect(told(0)).toThrow(/comes after 1 others, of 0 reported/)
    expect(told(2)).toThrow(/comes after 1 others, of 2 reported/)
    expect(told(1)).not.toThrow()
  })

  test('accepts that an overwrite was undone only if the disk lost its cache since, and it was not acknowledged', () => {
    const overwritten = (after: (oracle: Oracle, session: ConsumerSession) => void) => () => {
      const oracle = new Oracle({ ...GUARANTEES, losses: { overwritten: true, damaged: false } })
      const producer = oracle.producerSession(START)
      const items = oracle.pushing(producer, [3, 3])
      oracle.advancing(producer, items[1] as Uint8Array)
      oracle.advanced(producer, items[1] as Uint8Array)
      const deliver = (session: ConsumerSession, id: number, missed: number): void => {
        const [item] = popped(items[id] as Uint8Array) as [PoppedItem]
        oracle.popped(session, [{ ...item, missed }], HERE)
      }
      const session = new ConsumerSession(START)
      deliver(session, 1, 1)
      after(oracle, session)
      deliver(new ConsumerSession(START), 0, 0)
    }
    expect(overwritten(() => undefined)).toThrow(/item 0 was delivered, but it was dropped/)
    expect(overwritten((oracle) => oracle.cacheLost())).not.toThrow()
    const givenBack = (oracle: Oracle, session: ConsumerSession): void => {
      oracle.acknowledged(session, 2, asPosition(11n))
      oracle.cacheLost()
    }
    expect(overwritten(givenBack)).toThrow(/item 0 was delivered, but it was dropped/)
    const tellsNothing = (oracle: Oracle): void => {
      oracle.cacheLost()
      oracle.popped(new ConsumerSession(START), popped(itemOf(1, 3)), HERE)
    }
    expect(overwritten(tellsNothing)).toThrow(/item 0 was committed, but item 1 came/)
  })

  test('does not accept that damage was undone because the disk lost its cache', () => {
    const oracle = new Oracle({ ...GUARANTEES, losses: { overwritten: false, damaged: true } })
    const producer = oracle.producerSession(START)
    const items = oracle.pushing(producer, [3, 3])
    oracle.advancing(producer, items[1] as Uint8Array)
    oracle.advanced(producer, items[1] as Uint8Array)
    const deliver = (id: number, damaged: number) => () =>
      oracle.popped(new ConsumerSession(START), popped(items[id] as Uint8Array), {
        ...HERE,
        damaged,
      })
    expect(deliver(1, 1)).not.toThrow()
    oracle.cacheLost()
    expect(deliver(0, 0)).toThrow(/item 0 was delivered, but it was dropped/)
  })
})
