import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { modules, transpile } from '../../scripts/sim-transpile.mjs'
import { inspectRing, Producer } from '../../src/ring/ring.ts'
import { MUTANTS } from './mutants.mjs'
import { planOf } from './plan.ts'
import { type Library, run } from './run.ts'

const { SBR_LEASE_SEEDS = '40' } = process.env
const SEEDS = Number(SBR_LEASE_SEEDS)
const timeout = 60_000 + SEEDS * 2000

test('hosts never hold a role together, whatever befalls them', { timeout }, async () => {
  const sum = { acknowledged: 0, takeovers: 0, lost: 0 }
  for (let seed = 1; seed <= SEEDS; seed++) {
    const outcome = await run({ Producer, inspectRing }, planOf(seed))
    expect(outcome.broken, `seed ${seed}`).toBeUndefined()
    sum.acknowledged += outcome.acknowledged
    sum.takeovers += outcome.takeovers
    sum.lost += outcome.lost
  }
  // What was to be seen has happened.
  expect(sum.acknowledged).toBeGreaterThan(3000)
  expect(sum.takeovers).toBeGreaterThan(10)
  expect(sum.lost).toBeGreaterThan(10)
})

describe('what is found if a rule is left out', () => {
  let folder = ''

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'sbr-lease-'))
    transpile(join(folder, 'whole'), modules())
  })
  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  test.each(MUTANTS.map((mutant, index) => ({ ...mutant, index })))(
    '$name',
    { timeout: 120_000 },
    async ({ edits, index, seed }) => {
      const mutated = join(folder, String(index))
      cpSync(join(folder, 'whole'), mutated, { recursive: true })
      transpile(mutated, [...new Set(edits.map(({ file }) => file))], edits)
      const url = pathToFileURL(join(mutated, 'ring/ring.js')).href
      const library: Library = await import(/* @vite-ignore */ url)
      expect((await run(library, planOf(seed))).broken).toBeDefined()
      expect((await run({ Producer, inspectRing }, planOf(seed))).broken).toBeUndefined()
    },
  )
})
