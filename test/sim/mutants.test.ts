import { expect, test } from 'vitest'
import { patched } from '../../scripts/sim-transpile.mjs'
import { MUTANTS } from './mutants.mjs'

// To find them all takes half an hour (`npm run sim:mutants`); that each still fits the code is seen at once.
test.each(MUTANTS)('the mutant "$name" of format $format fits the code', ({ edits }) => {
  for (const file of new Set(edits.map((edit) => edit.file))) {
    expect(patched(file, edits)).not.toBe(patched(file, []))
  }
})
