import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { root, whyBuild } from '../../scripts/built.mjs'
import { needs } from '../helpers/interop.ts'
import { withoutRegistry } from './registry.ts'

const run = promisify(execFile)

const COMPILERS = ['5.4', '5.9', '6', '7']
const RESOLUTIONS = [
  ['node16', 'node16'],
  ['nodenext', 'nodenext'],
  ['esnext', 'bundler'],
] as const

/** Programs that import all there is, with the types that they need besides. */
const PROGRAMS = {
  core: {
    types: [],
    lib: ['es2022', 'dom'],
    text: `
import * as core from 'shared-block-ring'
import * as block from 'shared-block-ring/block'
import * as codec from 'shared-block-ring/codec'
import * as conformance from 'shared-block-ring/conformance'
import * as fan from 'shared-block-ring/fan'
import * as journal from 'shared-block-ring/journal'
import * as metrics from 'shared-block-ring/metrics'
import * as pool from 'shared-block-ring/pool'
import * as sim from 'shared-block-ring/sim'
import * as web from 'shared-block-ring/streams/web'
import * as tools from 'shared-block-ring/tools'
export const all: readonly object[] = [core, block, codec, conformance, fan, journal, metrics, pool, sim, web, tools]
await using device = new block.MemoryBlockDevice({ sizeSectors: 1024 })
await using writer = await core.RingWriter.open(device, { codec: codec.text })
export const open: core.RingWriter<string> = writer
`,
  },
  node: {
    types: ['node'],
    lib: ['es2022'],
    text: `
import * as file from 'shared-block-ring/block/file'
import * as nbd from 'shared-block-ring/block/nbd'
import * as hosts from 'shared-block-ring/hosts'
import * as node from 'shared-block-ring/streams/node'
export const all: readonly object[] = [file, nbd, hosts, node]
`,
  },
} as const

let folder = ''
/** Why there is nothing to test. */
let problem: string | undefined

beforeAll(async () => {
  expect(whyBuild()).toBeUndefined()
  folder = await mkdtemp(join(tmpdir(), 'sbr-types-'))
  const compilers = COMPILERS.map((version) => [`ts${version}`, `npm:typescript@${version}`])
  const dependencies = { ...Object.fromEntries(compilers), '@types/node': '20' }
  const consumer = { type: 'module', private: true, dependencies }
  await writeFile(join(folder, 'package.json'), JSON.stringify(consumer))
  try {
    const pack = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder]
    const { stdout } = await run('npm', pack, { cwd: root, maxBuffer: 1 << 24 })
    const [{ filename }] = JSON.parse(stdout) as [{ filename: string }]
    const install = ['install', '--ignore-scripts', '--prefer-offline', join(folder, filename)]
    await run('npm', install, { cwd: folder })
  } catch (error) {
    problem = withoutRegistry(error)
  }
}, 600_000)
beforeEach((context) => needs(context, problem))
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Compiles a program, and says what the compiler has against it. */
async function compile(
  version: string,
  name: keyof typeof PROGRAMS,
  module: string,
  moduleResolution: string,
): Promise<string> {
  const { types, lib, text } = PROGRAMS[name]
  const project = join(folder, `${name}-${version}-${module}`)
  await mkdir(project)
  await writeFile(join(project, 'program.ts'), text)
  const compilerOptions = {
    ...{ module, moduleResolution, target: 'es2022', lib, types, noEmit: true },
    ...{ strict: true, exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true },
    skipLibCheck: false,
  }
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions }))
  const compiler = join(folder, `node_modules/ts${version}/bin/tsc`)
  return await run(process.execPath, [compiler, '-p', project]).then(
    () => '',
    (error: { stdout: string; stderr: string }) => error.stdout + error.stderr,
  )
}

describe.each(COMPILERS)('TypeScript %s, strict', (version) => {
  test.each(RESOLUTIONS)(
    'compiles the core without the types of Node: %s, %s',
    async (module, moduleResolution) => {
      expect(await compile(version, 'core', module, moduleResolution)).toBe('')
    },
  )

  test('compiles what is for Node', async () => {
    expect(await compile(version, 'node', 'nodenext', 'nodenext')).toBe('')
  })
})
