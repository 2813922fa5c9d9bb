import { readdirSync, readFileSync } from 'node:fs'
import { ALONE } from '../alone.ts'
import { testInRuntimes } from './bundle.ts'

const FOLDERS = ['test/ring', 'test/codec', 'test/tasks', 'test/journal', 'test/streams']

/** What needs Vitest or its own folder, and what takes longer than all others together. */
const LEFT_OUT = /\bvi\b|Snapshot|import\.meta|migrateRing/

// What core.system.test.ts has no time for, in the runtimes where no other command runs it: the workflows run `npm
// test` in each Node.
testInRuntimes(
  FOLDERS.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => /(?<!\.(system|proof|property))\.test\.ts$/.test(path))
      .map((path) => `${folder}/${path}`)
      .filter((path) => !ALONE.includes(path) && !LEFT_OUT.test(readFileSync(path, 'utf8'))),
  ),
  ['bun', 'deno'],
)
