import { beforeAll, test } from 'vitest'
import { attachProducer, smallRing } from '../helpers/ring.ts'
import type { Rules } from './format2/rules.ts'
import { expectKept, expectNeeded, LONG, SHOWN_LATE } from './format2/scenarios.ts'

// The replay sees where the code waits for the device: it must not wait for its own files, which attaching loads once.
beforeAll(async () => {
  const producer = await attachProducer(await smallRing())
  await producer.close()
})

test.each(Object.entries(LONG))(
  'format 2 keeps its guarantees in every state, and the code follows it: %s',
  expectKept,
)

test.each(Object.keys(SHOWN_LATE) as (keyof Rules)[])(
  'without the rule %s, a guarantee of format 2 is violated',
  expectNeeded,
)
