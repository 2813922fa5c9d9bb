import { expect, test } from 'vitest'
import { counterexample, expectFollows, expectHolds, text } from './check.ts'
import { type Bounds, format1 } from './format1/protocol.ts'
import { itemOf, RULES, type Rules } from './format1/rules.ts'
import type { Concrete } from './replay.ts'
import { scenario } from './scenario.ts'

const ATTACHED = ['producer attach', 'consumer attach']
const TAKEN = ['consumer pop', 'consumer advance']
/** Three of the four slots were used before, so that the ring wraps soon. */
const USED = [...ATTACHED, 'producer append', ...TAKEN, 'producer append', ...TAKEN]

/** Three of the four slots wait. */
const WAITING = [
  ...ATTACHED,
  'producer append',
  'producer append',
  'producer append',
  'consumer pop',
]

const BASE: Bounds = { sectors: 2, push: 2, crash: 1, wish: 0, calls: ['append'] }

/** What is explored: bounds, and what happens before. */
const SCENARIOS: Readonly<Record<string, readonly [Partial<Bounds>, readonly string[]]>> = {
  'from nothing': [{ push: 1, calls: ['push1', 'advance', 'state', 'detach'] }, []],
  'held back': [{ push: 3, calls: ['push1', 'append', 'advance', 'advanceFirst'] }, USED],
  'around the end': [{ push: 3, calls: ['push1', 'push2', 'advance'] }, USED],
  'crash after crash': [{ push: 2, crash: 2 }, ATTACHED],
  'suspend and resume': [
    { wish: 2, crash: 0, calls: ['push1', 'append', 'advance', 'state'] },
    ATTACHED,
  ],
  'suspend with a crash': [{ push: 1, wish: 1, calls: ['append', 'state'] }, ATTACHED],
}

const CONCRETE: Concrete = {
  sectorSize: 512,
  sectors: 5,
  create: { format: 1 },
  sectorOf: (unit) => unit + 1,
  item(next, call) {
    const slots = call === 'push2' ? 2 : 1
    return { number: itemOf(next, slots), bytes: slots * 256 - 4 }
  },
}

test.each(Object.entries(SCENARIOS))(
  'format 1 keeps its promises in every state, and the code follows it: %s',
  async (name, [bounds, before]) => {
    const explored = scenario(format1({ ...BASE, ...bounds }), before)
    const graph = expectHolds(`format 1, ${name}`, explored)
    await expectFollows(explored, CONCRETE, graph, { count: 8, length: 40 })
  },
)

/** For each rule, where leaving it out shows. */
const SHOWN_BY: Readonly<Record<keyof Rules, readonly [Partial<Bounds>, readonly string[]]>> = {
  flushBeforeCursor: [{}, ATTACHED],
  flushBeforeReuse: [{}, WAITING],
  flushAtAttach: [{}, WAITING],
  itemsBeforePointer: [{}, ATTACHED],
  pointerBeforeAnswer: [{}, ATTACHED],
  wishWaits: [{ crash: 0, wish: 1, calls: ['append', 'state'] }, ATTACHED],
  pushObeys: [{ crash: 0, wish: 1, calls: ['append', 'state'] }, ATTACHED],
  keepsBefore: [{}, ATTACHED],
  keepsAfter: [{ push: 4 }, [...ATTACHED, 'producer append', ...TAKEN]],
  needsRoom: [{}, WAITING],
}

test.each(Object.keys(RULES) as (keyof Rules)[])(
  'without the rule %s, a promise of format 1 breaks',
  (rule) => {
    const [more, before] = SHOWN_BY[rule]
    const bounds = { ...BASE, ...more }
    const broken = counterexample(scenario(format1(bounds, { [rule]: false }), before))
    console.log(`format 1 without ${rule}: ${text(broken)}`)
    // If it shows at once, there is no trace.
    expect(broken.broken).not.toBe('')
  },
)
