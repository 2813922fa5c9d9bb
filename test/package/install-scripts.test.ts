import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

function read(name: string): unknown {
  return JSON.parse(readFileSync(fileURLToPath(new URL(`../../${name}`, import.meta.url)), 'utf8'))
}

// npm has one switch for the scripts of dependencies and for ours, and `npm pack` needs ours. So theirs are denied by
// name.
test('no dependency has an install script, except for those that are denied', () => {
  const { packages } = read('package-lock.json') as {
    packages: Record<string, { hasInstallScript?: boolean }>
  }
  const { allowScripts } = read('package.json') as { allowScripts: Record<string, boolean> }
  const scripted = Object.keys(packages).filter((path) => packages[path]?.hasInstallScript === true)
  const names = scripted.map((path) => path.replace(/^.*node_modules\//, ''))
  expect(Object.fromEntries(names.map((name) => [name, false]))).toEqual(allowScripts)
})
