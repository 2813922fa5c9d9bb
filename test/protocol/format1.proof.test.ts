import { test } from 'vitest'
import { expectKept, LONG } from './format1/scenarios.ts'

test.each(Object.entries(LONG))(
  'format 1 keeps its guarantees in every state, and the code follows it: %s',
  expectKept,
)
