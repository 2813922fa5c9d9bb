import { test } from 'vitest'
import type { Rules } from './format2/rules.ts'
import { expectKept, expectNeeded, LONG, SHOWN_LATE } from './format2/scenarios.ts'

test.each(Object.entries(LONG))(
  'format 2 keeps its promises in every state, and the code follows it: %s',
  expectKept,
)

test.each(Object.keys(SHOWN_LATE) as (keyof Rules)[])(
  'without the rule %s, a promise of format 2 breaks',
  expectNeeded,
)
