import { expect, test } from 'vitest'
import { RULES, type Rules } from './format2/rules.ts'
import { expectKept, expectNeeded, SHORT, SHOWN_LATE, SHOWN_SOON } from './format2/scenarios.ts'

test.each(Object.entries(SHORT))(
  'format 2 keeps its guarantees in every state, and the code follows it: %s',
  expectKept,
)

test.each(Object.keys(SHOWN_SOON) as (keyof Rules)[])(
  'without the rule %s, a guarantee of format 2 is violated',
  expectNeeded,
)

test('each rule is left out in a test, here or in the proofs', () => {
  const left = Object.keys({ ...SHOWN_SOON, ...SHOWN_LATE })
  expect(left.sort()).toEqual(Object.keys(RULES).sort())
})
