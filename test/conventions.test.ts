import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ALONE } from './alone.ts'

const root = fileURLToPath(new URL('../', import.meta.url))

function filesOf(folder: string, ending: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name))
}

const TESTS = filesOf('test', '.test.ts')

/** Files whose imports match. */
function importing(what: RegExp): string[] {
  return TESTS.filter((file) => {
    const imports = /^import .*? from '(.+?)'$/gms
    return [...readFileSync(join(root, file), 'utf8').matchAll(imports)].some(([, from = '']) =>
      what.test(from),
    )
  })
}

test('what takes more than Node is in no file that npm test runs', () => {
  const needing = importing(/helpers\/(interop|loop|nbd-servers|strace)\.ts$/)
  expect(needing.filter((file) => !/\.(system|proof)\.test\.ts$/.test(file))).toEqual([])
  expect(needing.length).toBeGreaterThan(5)
})

test('properties have a seed that can be replayed, and are in files that test:proofs runs too', () => {
  expect(importing(/^fast-check$/)).toEqual([])
  const properties = importing(/helpers\/property\.ts$/)
  expect(properties.filter((file) => !file.endsWith('.property.test.ts'))).toEqual([])
  expect(properties.length).toBeGreaterThan(5)
})

test('what would change the process of other files has one of its own', () => {
  const changing =
    /\bvi\.(mock|doMock|resetModules|stub\w+)\(|helpers\/steps\.ts'|\bprocess\.(chdir|sete?[ug]id)\b/
  // Its devices bound the memory of the process.
  const metering = /from '\.[^']*\/(meter|exercise)\.ts'/
  const fuzzing = /from '\.\.?\/run\.ts'/
  const found = TESTS.filter(
    (file) =>
      !/\.(system|proof)\.test\.ts$/.test(file) &&
      [changing, metering, ...(file.startsWith('test/fuzz/') ? [fuzzing] : [])].some((pattern) =>
        pattern.test(readFileSync(join(root, file), 'utf8')),
      ),
  )
  expect(found.sort()).toEqual([...ALONE].sort())
})

test('test files that documents name are there', () => {
  const folders = ['docs', 'lab', 'test']
  const documents = [
    ...readdirSync(root).filter((name) => name.endsWith('.md')),
    ...folders.flatMap((folder) => filesOf(folder, '.md')),
  ]
  const missing: string[] = []
  let named = 0
  for (const document of documents) {
    for (const [, name = ''] of readFileSync(join(root, document), 'utf8').matchAll(
      /`([\w/.-]+\.test\.ts)`/g,
    )) {
      named++
      // Some are named without their folder.
      if (!TESTS.some((file) => `/${file}`.endsWith(`/${name}`)))
        missing.push(`${document}: ${name}`)
    }
  }
  expect(missing).toEqual([])
  expect(named).toBeGreaterThan(10)
})
