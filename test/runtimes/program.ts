// Runs the test files whose addresses are its arguments, one after the other, and prints what came of them.
import { startTests, type Task, type VitestRunner } from '@vitest/runner'
import '../setup.ts'
import type { Outcome } from './bundle.ts'
import { expect } from './stand-in.ts'

let passed = 0
let skipped = 0
const failures: string[] = []

const runner: VitestRunner = {
  config: {
    root: '',
    setupFiles: [],
    name: undefined,
    passWithNoTests: false,
    testNamePattern: undefined,
    allowOnly: false,
    sequence: { seed: 0, hooks: 'stack', setupFiles: 'list' },
    chaiConfig: undefined,
    maxConcurrency: 5,
    // Only what hangs takes so long.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
    includeTaskLocation: false,
    tags: [],
    tagsFilter: undefined,
    strictTags: true,
  },
  importFile: (address) => import(address),
  extendTaskContext: (context) => Object.assign(context, { expect }),
}

function count(task: Task, path: string): void {
  const name = `${path} > ${task.name}`
  failures.push(...(task.result?.errors ?? []).map(({ message }) => `${name}: ${message}`))
  if (task.type === 'suite') for (const child of task.tasks) count(child, name)
  else if (task.result?.state === 'pass') passed++
  else if (task.result?.state !== 'fail') skipped++
}

// Some tests wait for what does not keep a process alive.
setInterval(() => undefined, 1 << 30)
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (error: unknown) => failures.push(`${event}: ${String(error)}`))
}
for (const address of process.argv.slice(2)) {
  const name = address.slice(address.lastIndexOf('/test/') + 1)
  for (const file of await startTests([address], runner)) {
    for (const task of file.tasks) count(task, name)
    failures.push(...(file.result?.errors ?? []).map(({ message }) => `${name}: ${message}`))
  }
}
const outcome: Outcome = { passed, skipped, failures }
console.log(JSON.stringify(outcome))
process.exit(0)
