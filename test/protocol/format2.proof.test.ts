import { test } from 'vitest'
import { expectKept, LONG } from './format2/scenarios.ts'

test.each(Object.entries(LONG))(
  'format 2 keeps its promises in every state, and the code follows it: %s',
  expectKept,
)
