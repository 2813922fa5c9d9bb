import { expect, test } from 'vitest'
import { counterexample, text } from './check.ts'
import { type Bounds, format2 } from './format2/protocol.ts'
import { RULES, type Rules } from './format2/rules.ts'
import { ATTACHED, BASE, expectKept, SHORT, USED, WAITING } from './format2/scenarios.ts'
import { scenario } from './scenario.ts'

test.each(Object.entries(SHORT))(
  'format 2 keeps its promises in every state, and the code follows it: %s',
  expectKept,
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
