import { expect, test } from 'vitest'
import { HintEnd } from '../../../src/block/claim/hints.ts'
import { fc } from '../../helpers/property.ts'

/** Two ends, and what is under way between them, in order. */
class Connection {
  readonly hints = { accepting: 0, calling: 0 }
  readonly #underWay: { readonly to: 'accepting' | 'calling'; readonly message: number }[] = []
  readonly ends: { readonly accepting: HintEnd; readonly calling: HintEnd }
  mostUnderWay = 0

  constructor(now: () => number) {
    const end = (own: 'accepting' | 'calling', to: 'accepting' | 'calling'): HintEnd =>
      new HintEnd(
        own === 'accepting',
        (message) => {
          this.#underWay.push({ to, message })
          const ahead = this.#underWay.filter((other) => other.to === to).length
          this.mostUnderWay = Math.max(this.mostUnderWay, ahead)
        },
        () => this.hints[own]++,
        now,
      )
    this.ends = { accepting: end('accepting', 'calling'), calling: end('calling', 'accepting') }
    this.ends.calling.begin()
  }

  deliverOne(): boolean {
    const next = this.#underWay.shift()
    if (next !== undefined) expect(this.ends[next.to].receive(next.message)).toBe(true)
    return next !== undefined
  }

  deliver(): void {
    while (this.deliverOne());
  }
}

const sides = fc.constantFrom('accepting' as const, 'calling' as const)
const steps = fc.array(
  fc.oneof(
    sides.map((side) => ({ kind: 'expect' as const, side })),
    sides.map((side) => ({ kind: 'give' as const, side })),
    fc.constant({ kind: 'deliver' as const }),
  ),
  { maxLength: 200 },
)

test('who expects a hint has one of each change since the last, and nobody has more than were expected', () => {
  fc.assert(
    fc.property(steps, (all) => {
      const connection = new Connection(() => 0)
      const { ends, hints } = connection
      const expected = { accepting: 1, calling: 1 }
      for (const step of all) {
        if (step.kind === 'deliver') connection.deliverOne()
        else if (step.kind === 'give') ends[step.side].give()
        else {
          ends[step.side].expect()
          expected[step.side]++
        }
      }
      connection.deliver()
      expect(hints.accepting).toBeLessThanOrEqual(expected.accepting)
      expect(hints.calling).toBeLessThanOrEqual(expected.calling)
      expect(connection.mostUnderWay).toBeLessThanOrEqual(3)
      for (const [side, other] of [
        ['accepting', 'calling'],
        ['calling', 'accepting'],
      ] as const) {
        const before = hints[side]
        ends[side].expect()
        ends[other].give()
        connection.deliver()
        expect(hints[side]).toBe(before + 1)
      }
    }),
  )
})

test('a change before the wait is told at once, and one change only once', () => {
  const { ends, hints, deliver } = bound(new Connection(() => 0))
  deliver()
  // Either may have changed something before there was a connection.
  expect(hints).toEqual({ accepting: 1, calling: 1 })
  for (let changes = 0; changes < 10; changes++) ends.calling.give()
  deliver()
  expect(hints.accepting).toBe(1)
  ends.accepting.expect()
  deliver()
  expect(hints.accepting).toBe(2)
  ends.accepting.expect()
  deliver()
  expect(hints.accepting).toBe(2)
  ends.calling.give()
  ends.calling.give()
  deliver()
  expect(hints.accepting).toBe(3)
})

test('a peer that answers each expectation is asked a thousand times a second, and told of nothing it did not ask for', () => {
  let now = 0
  let hints = 0
  const sent: number[] = []
  const end = new HintEnd(
    true,
    (message) => sent.push(message),
    () => hints++,
    () => now,
  )
  const [HINT, EXPECT] = [0x68, 0x65]
  for (let unasked = 0; unasked < 10; unasked++) expect(end.receive(HINT)).toBe(true)
  expect(hints).toBe(1)
  for (let ms = 0; ms < 2000; ms++) {
    now = ms
    for (let times = 0; times < 10; times++) {
      end.expect()
      end.receive(HINT)
    }
  }
  expect(hints).toBeLessThan(2300)
  end.receive(EXPECT)
  sent.length = 0
  for (let times = 0; times < 100; times++) end.receive(EXPECT)
  expect(sent).toEqual([])
  end.give()
  expect(sent).toEqual([HINT])
  for (const junk of [0, 10, 0x7b, 255]) expect(end.receive(junk)).toBe(false)
})

function bound(connection: Connection): Pick<Connection, 'ends' | 'hints' | 'deliver'> {
  const { ends, hints } = connection
  return { ends, hints, deliver: () => connection.deliver() }
}
