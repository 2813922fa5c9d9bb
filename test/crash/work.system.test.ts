import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'vitest'
import { WORK_RUNS, workUnderKills } from './work.ts'

/** Of each run. */
const ITEMS = 2000

let directory: string

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sbr-work-'))
})

afterEach(() => {
  rmSync(directory, { recursive: true, force: true })
})

test.each(WORK_RUNS)(
  'killed workers lose no item, and keep the order of keys: $name',
  async (run) => {
    await workUnderKills(directory, run, ITEMS)
  },
)
