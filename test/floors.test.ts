import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { expect, test } from 'vitest'

/**
 * The floors of ARCHITECTURE.md, from the ground up: a module imports from its own floor and from those beneath, types
 * included. Each is a list of paths in src/; of two that fit a module, the longer one counts.
 */
const FLOORS: Readonly<Record<string, readonly string[]>> = {
  words: ['errors', 'position', 'clock', 'util/', 'checksum/'],
  tasks: ['tasks/'],
  devices: ['block/'],
  wrappers: ['block/wrap/'],
  'whole devices': ['block/ops/'],
  'the system': ['block/native/'],
  claims: ['block/claim/'],
  files: ['block/file/'],
  NBD: ['block/nbd/'],
  'words of a ring': [
    'ring/types',
    'ring/new-ring-kinds',
    'ring/inspection',
    'ring/names',
    'ring/roles',
    'ring/format',
    'ring/hints',
    'ring/lease-types',
    'ring/trace',
    'ring/report/',
  ],
  'bytes of format 1': [
    'ring/format1/layout',
    'ring/format1/magic',
    'ring/format1/pointer',
    'ring/format1/record',
    'ring/format1/sector-size',
  ],
  'bytes of format 2': ['ring/format2/disk/', 'ring/format2/position', 'ring/report/signatures'],
  'what both formats share': ['ring/shared/'],
  roles: ['ring/shared/base-role', 'ring/shared/claim-role'],
  'leases of format 2': ['ring/format2/lease/'],
  'the log of format 2': ['ring/format2/log/'],
  'roles of format 2': ['ring/format2/'],
  'checks of format 2': ['ring/format2/check/'],
  'format 1': ['ring/format1/'],
  rings: ['ring/access/', 'ring/format2/index'],
  codecs: ['codec/'],
  queues: ['ring/queue/'],
  maintenance: ['ring/maintenance/'],
  pools: ['pool/'],
  'many rings': ['fan/'],
  journal: ['journal/'],
  'text for people': ['text/'],
  edges: [
    'metrics/',
    'streams/',
    'hosts/',
    'conformance/',
    'worker/',
    'sim/',
    'block/index',
    'tools',
    'index',
  ],
  pictures: ['picture/'],
  'command line': ['cli/'],
  commands: [
    'cli/commands/',
    'cli/help/',
    'cli/completion/',
    'cli/routes',
    'cli/app',
    'cli/run',
    'cli/main',
  ],
}

const modules = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => path.replaceAll('\\', '/').replace(/\.ts$/, ''))
const imports = new Map(modules.map((module) => [module, importsOf(module)]))

function importsOf(module: string): readonly string[] {
  const text = readFileSync(`src/${module}.ts`, 'utf8')
  const found = text.matchAll(/(?:\bfrom|\bimport\()\s*'(\.[^']*)\.ts'/g)
  return [...found].map(([, path = '']) => posix.join(posix.dirname(module), path))
}

const order = Object.keys(FLOORS)

function floorOf(module: string): number {
  const fitting = order.flatMap((floor, level) =>
    (FLOORS[floor] ?? []).flatMap((path) =>
      path === module || (path.endsWith('/') && module.startsWith(path)) ? [{ path, level }] : [],
    ),
  )
  return fitting.sort((a, b) => b.path.length - a.path.length)[0]?.level ?? -1
}

test('every module is on a floor', () => {
  expect(modules.length).toBeGreaterThan(300)
  expect(modules.filter((module) => floorOf(module) < 0)).toEqual([])
})

test('no module imports from a floor above its own', () => {
  const up = modules.flatMap((module) =>
    (imports.get(module) ?? [])
      .filter((other) => floorOf(other) > floorOf(module))
      .map((other) => `${module} -> ${other}`),
  )
  expect(up).toEqual([])
})

test('no import goes in a circle, types included', () => {
  const done = new Set<string>()
  const visit = (module: string, path: readonly string[]): void => {
    if (path.includes(module))
      throw new Error([...path.slice(path.indexOf(module)), module].join(' -> '))
    if (done.has(module)) return
    for (const other of imports.get(module) ?? []) visit(other, [...path, module])
    done.add(module)
  }
  for (const module of modules) visit(module, [])
  expect(done.size).toBe(modules.length)
})
