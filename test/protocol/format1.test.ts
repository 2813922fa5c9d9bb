import { expect, test } from 'vitest'
import { counterexample, text } from './check.ts'
import { type Bounds, format1 } from './format1/protocol.ts'
import { RULES, type Rules } from './format1/rules.ts'
import { ATTACHED, BASE, expectKept, SHORT, TAKEN, WAITING } from './format1/scenarios.ts'
import { scenario } from './scenario.ts'

test.each(Object.entries(SHORT))(
  'format 1 keeps its guarantees in every state, and the code follows it: %s',
  expectKept,
)

/** For each rule, where leaving it out shows. */
const SHOWN_BY: Readonly<Record<keyof Rules, readonly [Partial<Bounds>, readonly string[]]>> = {
  flushBeforeCursor: [{}, ATTACHED],
  flushBeforeReuse: [{}, WAITING],
  flushAtAttach: [{}, WAITING],
  itemsBeforePointer: [{}, ATTACHED],
  pointerBeforeAnswer: [{}, ATTACHED],
  requestWaits: [{ crash: 0, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
  pushObeys: [{ crash: 0, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
  keepsBefore: [{}, ATTACHED],
  keepsAfter: [{ push: 4 }, [...ATTACHED, 'producer append', ...TAKEN]],
  needsRoom: [{}, WAITING],
}

test.each(Object.keys(RULES) as (keyof Rules)[])(
  'without the rule %s, a guarantee of format 1 is violated',
  (rule) => {
    const [more, before] = SHOWN_BY[rule]
    const bounds = { ...BASE, ...more }
    const broken = counterexample(scenario(format1(bounds, { [rule]: false }), before))
    console.log(`format 1 without ${rule}: ${text(broken)}`)
    // If it shows at once, there is no trace.
    expect(broken.broken).not.toBe('')
  },
)
