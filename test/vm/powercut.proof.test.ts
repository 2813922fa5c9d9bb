import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { SEED } from '../helpers/seed.ts'

const TIMEOUT_MS = 1_500_000
const ITEMS = 300
/** Far more than that takes. */
const SECONDS = 600
const CUTS = 200

/** What `powercut.mjs --json` says. */
interface Report {
  /** Why there can be no machine here. */
  readonly problem?: string
  readonly runs?: readonly {
    readonly format: number
    /** Times that the items went around the ring. */
    readonly laps: number
    readonly cuts: number
    /** Disks that kept some of the unflushed sectors. */
    readonly torn: number
    /** How a promise was broken. */
    readonly broken?: string
    /** What was broken when flushes came late. */
    readonly lie?: string
  }[]
}

test('power cuts of a virtual machine lose nothing acknowledged, and a disk that lies is found out', {
  timeout: TIMEOUT_MS,
}, async (context) => {
  const built = fileURLToPath(new URL('../../dist/index.js', import.meta.url))
  if (!existsSync(built)) throw new Error('this test uses the built package: npm run build')
  const { problem, runs = [] } = await report()
  needs(context, problem)
  expect(runs.map(({ format }) => format)).toEqual([1, 2])
  for (const run of runs) {
    expect(run.broken).toBeUndefined()
    expect(run.lie).toContain('acknowledged, and are lost')
    expect(run.laps).toBeGreaterThan(2)
    expect(run.cuts).toBeGreaterThanOrEqual(CUTS)
    expect(run.torn).toBeGreaterThan(0)
  }
})

/** Runs the program, which also says what is wrong by its exit code. */
function report(): Promise<Report> {
  const script = fileURLToPath(new URL('powercut.mjs', import.meta.url))
  const numbers = { items: ITEMS, seconds: SECONDS, cuts: CUTS, seed: SEED }
  const options = Object.entries(numbers).map(([name, number]) => `--${name}=${number}`)
  const args = [script, ...options, '--json']
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, { timeout: TIMEOUT_MS - 10_000 }, (error, stdout, stderr) => {
      if (stdout === '') reject(new Error(stderr, { cause: error }))
      else resolve(JSON.parse(stdout))
    })
  })
}
