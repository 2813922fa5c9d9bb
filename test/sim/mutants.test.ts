import { expect, test } from 'vitest'
import { patched } from '../../scripts/sim-transpile.mjs'
import { exhaust, smallestShape } from '../../src/sim/ring/exhaust.ts'
import { format2 } from '../../src/sim/ring/format2.ts'
import { MUTANTS } from './mutants.mjs'

// To find them all takes half an hour (`npm run sim:mutants`); that each still fits the code is seen at once.
test.each(MUTANTS)('the mutant "$name" of format $format fits the code', ({ edits }) => {
  for (const file of new Set(edits.map((edit) => edit.file))) {
    expect(patched(file, edits)).not.toBe(patched(file, []))
  }
})

const exhausted = MUTANTS.filter((mutant) => mutant.exhaust !== undefined)
const shape = smallestShape(format2, 512)

test.each(exhausted)('the cache is lost in a known way for "$name"', async ({ exhaust: args }) => {
  const at = args?.indexOf('--loss') ?? -1
  const loss = at < 0 ? 'power' : args?.[at + 1]
  const done = await Reflect.apply(exhaust, undefined, [format2, { shape, scripts: [], loss }])
  expect(done.scripts).toBe(0)
})
