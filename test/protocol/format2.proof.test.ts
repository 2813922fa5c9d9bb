import { expect, test } from 'vitest'
import { counterexample, expectFollows, expectHolds, text } from './check.ts'
import { type Bounds, format2 } from './format2/protocol.ts'
import { DATA, RULES, type Rules } from './format2/rules.ts'
import type { Concrete } from './replay.ts'
import { scenario } from './scenario.ts'

const ATTACHED = ['producer attach', 'consumer attach', 'consumer idle']
const APPENDED = ['producer append', 'producer append']
const TAKEN = ['consumer pop', 'consumer pop', 'consumer advance']
/** All four blocks were used, two are free again, and no producer slot says so. */
const USED = [...ATTACHED, ...APPENDED, ...TAKEN, 'consumer idle', ...APPENDED]
/** Three of four blocks wait. */
const WAITING = [...ATTACHED, ...APPENDED, 'producer append', 'consumer pop']

const BASE: Bounds = { blocks: 4, push: 1, crash: 1, wish: 0, calls: ['append'] }

/** What is explored: bounds, and what happens before. */
const SCENARIOS: Readonly<Record<string, readonly [Partial<Bounds>, readonly string[]]>> = {
  'from nothing': [{ calls: ['append'] }, []],
  'held back': [{ calls: ['push1', 'append', 'advance'] }, ATTACHED],
  'around the end': [{ calls: ['append'] }, USED],
  'full ring': [{ calls: ['append', 'push1', 'advance'], crash: 0, push: 3 }, WAITING],
  'items of two blocks': [{ calls: ['append2'] }, [...ATTACHED, 'producer append']],
  'many held back': [
    { push: 3, crash: 0, calls: ['push1', 'append', 'advance', 'advanceFirst'] },
    ATTACHED,
  ],
  'suspend and resume': [
    { push: 1, crash: 0, wish: 2, calls: ['push1', 'append', 'advance', 'state'] },
    ATTACHED,
  ],
  'suspend with a crash': [{ wish: 1, calls: ['append', 'state'] }, ATTACHED],
}

const CONCRETE: Concrete = {
  sectorSize: 4096,
  sectors: 16,
  create: { format: 2, blockSize: 4096 },
  // FORMAT.md: slots from G + 2 U on, and the data area at G + 8 U.
  sectorOf: (unit) => (unit < DATA ? 5 + unit : 11 + unit - DATA),
  item: (next, call) => ({ number: next, bytes: call.endsWith('2') ? 5000 : 100 }),
}

test.each(Object.entries(SCENARIOS))(
  'format 2 keeps its promises in every state, and the code follows it: %s',
  async (name, [bounds, before]) => {
    const explored = scenario(format2({ ...BASE, ...bounds }), before)
    const graph = expectHolds(`format 2, ${name}`, explored)
    await expectFollows(explored, CONCRETE, graph, { count: 8, length: 40 })
  },
)

/** For each rule, where leaving it out shows. */
const SHOWN_BY: Readonly<Record<keyof Rules, readonly [Partial<Bounds>, readonly string[]]>> = {
  batchBeforeAnswer: [{}, ATTACHED],
  flushAtAttach: [{}, ATTACHED],
  epochBeforeAccepting: [{}, ['producer attach', 'consumer attach']],
  checksEpoch: [{ push: 2, calls: ['push1', 'append', 'advance'] }, ATTACHED],
  goesBack: [{ push: 2, calls: ['append'] }, ATTACHED],
  freesByLower: [{ push: 2, calls: ['append'] }, WAITING],
  freesBySeen: [{ push: 4, calls: ['append2'] }, ATTACHED],
  idleBothSlots: [{ crash: 0 }, ATTACHED],
  settlesAfterAttach: [{}, ATTACHED],
  publishesBeforeReuse: [{}, USED],
  leavesRoom: [{ push: 4, crash: 0, calls: ['push1', 'advance'] }, ATTACHED],
  dropsHeld: [{ push: 2, calls: ['push1', 'append', 'advance'] }, ATTACHED],
  wishWaits: [{ crash: 0, wish: 1, calls: ['append', 'state'] }, ATTACHED],
  pushObeys: [{ crash: 0, wish: 1, calls: ['append', 'state'] }, ATTACHED],
}

test.each(Object.keys(RULES) as (keyof Rules)[])(
  'without the rule %s, a promise of format 2 breaks',
  (rule) => {
    const [more, before] = SHOWN_BY[rule]
    const bounds = { ...BASE, ...more }
    const broken = counterexample(scenario(format2(bounds, { [rule]: false }), before))
    console.log(`format 2 without ${rule}: ${text(broken)}`)
    // If it shows at once, there is no trace.
    expect(broken.broken).not.toBe('')
  },
)
