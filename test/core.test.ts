import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'

const source = fileURLToPath(new URL('../src/', import.meta.url))

/** The modules of other packages that a module imports for its values, through all that it imports. */
function packagesOf(module: string, seen = new Set<string>()): Set<string> {
  const packages = new Set<string>()
  if (seen.has(module)) return packages
  seen.add(module)
  // Without comments: their examples import the package.
  const text = readFileSync(join(source, module), 'utf8').replaceAll(/\/\*\*.*?\*\//gs, '')
  // Types are erased, and an import() is not at the top level.
  for (const [, name = ''] of text.matchAll(
    /^(?:import|export)\s(?!type\b)[^;]*?from '([^']+)'/gm,
  )) {
    if (!name.startsWith('.')) packages.add(name)
    else for (const found of packagesOf(join(dirname(module), name), seen)) packages.add(found)
  }
  return packages
}

const CORE = [
  'index.ts',
  'block/index.ts',
  'block/opfs/index.ts',
  'tools.ts',
  'metrics/index.ts',
  'pool/index.ts',
  'codec/index.ts',
  'streams/web.ts',
  'fan/index.ts',
  'worker/index.ts',
  'conformance/index.ts',
]

describe('the core loads where there is no Node', () => {
  test.each(CORE)('%s imports no package at all', (module) => {
    expect(existsSync(join(source, module))).toBe(true)
    expect([...packagesOf(module)]).toEqual([])
  })

  test('is made of the modules that docs/api.md lists', () => {
    const names = CORE.map((module) =>
      module.replace(/(\/index)?\.ts$/, '').replace(/^index$/, '.'),
    )
    const text = readFileSync(join(source, '../docs/api.md'), 'utf8')
    const list = /The core \((.*?)\) imports nothing from Node/s.exec(text)?.[1] ?? ''
    expect([...list.matchAll(/`([^`]+)`/g)].map(([, name]) => name).sort()).toEqual(names.sort())
  })

  test('has no package that this test overlooks: it sees those of other modules', () => {
    expect([...packagesOf('streams/node.ts')]).toContain('node:stream')
    expect([...packagesOf('block/file/index.ts')]).toContain('node:fs')
  })
})
