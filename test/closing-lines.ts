import { appendFileSync } from 'node:fs'
import type { Reporter, TestModule, Vitest } from 'vitest/node'

const LEFT_OUT = `
Not run: real processes, servers, loop devices, crashes and faults:  npm run test:system
         simulator, fuzzer and power cuts at length, with new seeds:  npm run test:proofs -- --minutes 10
`

/**
 * What is printed after the summary: why tests were skipped, and what `npm test` leaves to the other commands. Adds the
 * counts to the file that SBR_TALLY names, if it does: `.ci/run` sums them up.
 */
export class ClosingLines implements Reporter {
  #projects: readonly string[] = []

  onInit(vitest: Vitest): void {
    this.#projects = vitest.projects.map(({ name }) => name)
  }

  onTestRunEnd(modules: readonly TestModule[]): void {
    const skipped = new Map<string, number>()
    let passed = 0
    let failed = 0
    for (const module of modules) {
      if (module.state() === 'failed') failed += module.errors().length
      for (const test of module.children.allTests()) {
        const result = test.result()
        if (result.state === 'passed') passed++
        if (result.state === 'failed') failed++
        if (result.state !== 'skipped') continue
        // Without a note it is a test of the other format.
        if (result.note !== undefined) skipped.set(result.note, (skipped.get(result.note) ?? 0) + 1)
      }
    }
    for (const [why, count] of skipped) console.log(`Skipped ${count}: ${why}`)
    if (this.#projects.every((name) => name.startsWith('quick'))) console.log(LEFT_OUT)
    const { SBR_TALLY } = process.env
    if (SBR_TALLY !== undefined) appendFileSync(SBR_TALLY, `${passed} ${failed}\n`)
  }
}
