import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { needs } from '../helpers/interop.ts'
import { fetchRuntimes, RUNTIMES } from '../helpers/runtimes.ts'
import { withoutRegistry } from './registry.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))
/** What the snippet of a back-end leaves to its reader. */
const MY_DEVICE = `
import { MemoryBlockDevice } from 'shared-block-ring/block'
const MyBlockDevice = { open: async () => new MemoryBlockDevice({ sizeSectors: 1024 }) }
`

/** What npm tells of it. */
interface Tarball {
  readonly filename: string
  readonly size: number
  readonly files: readonly { readonly path: string }[]
}

let folder = ''
/** Has the package and a compiler. */
let app = ''
/** Has the package alone, and the README's program. */
let alone = ''
/** Why there is nothing to test. */
let problem: string | undefined
let readme = ''
/** What the snippets of a document leave to their reader. */
const SURROUNDINGS: Readonly<Record<string, string>> = {
  'docs/hosts.md': `
import type { BlockDevice } from 'shared-block-ring/block'
declare const device: BlockDevice
`,
}
/** Documents whose snippets need a host that is not here: they are compiled. */
const ELSEWHERE = [
  'docs/hosts.md',
  'docs/nbd.md',
  'src/block/nbd/index.ts',
  'src/block/opfs/index.ts',
]
/** Documents whose commands need nothing but a folder: they are run. */
const COMMANDS = ['docs/operating.md', 'docs/processing.md', 'docs/pool.md']
/** The snippets of the documents that are run. */
let documented: readonly string[] = []
/** What is in the tarball, and how large that is. */
let files: readonly string[] = []
let packedBytes = 0

const { exports: exported, bin } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly bin: Readonly<Record<string, string>>
}
/** All files that the package says it has. */
const entries = [
  ...Object.values(exported).flatMap((entry) =>
    typeof entry === 'string' ? [entry] : Object.values(entry),
  ),
  ...Object.values(bin),
].map((path) => path.replace('./', ''))

/**
 * A clone with nothing installed and nothing built is packed, and the tarball is installed in an empty folder, with
 * what the README asks for.
 */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sbr-packed-'))
  const clone = join(folder, 'clone')
  app = join(folder, 'app')
  alone = join(folder, 'alone')
  await cloneTo(clone)
  readme = await readFile(join(clone, 'README.md'), 'utf8')
  for (const empty of [app, alone]) {
    await mkdir(empty)
    await writeFile(join(empty, 'package.json'), '{ "type": "module", "private": true }')
  }
  try {
    const packed = await run('npm', ['pack', '--json'], { cwd: clone, maxBuffer: 1 << 24 })
    const [tarball] = JSON.parse(packed.stdout) as [Tarball]
    files = tarball.files.map(({ path }) => path)
    packedBytes = tarball.size
    const { devDependencies } = JSON.parse(await readFile(join(clone, 'package.json'), 'utf8'))
    const asked = ['typescript', '@types/node'].map((name) => `${name}@${devDependencies[name]}`)
    const install = ['install', '--prefer-offline', '--no-audit', '--no-fund']
    const archive = join(clone, tarball.filename)
    await run('npm', [...install, archive, ...asked], { cwd: app })
    await run('npm', [...install, archive], { cwd: alone })
    await compileSnippets()
    for (const name of ['push.ts', 'push.js', 'pop.ts', 'pop.js']) {
      await cp(join(app, name), join(alone, name))
    }
  } catch (error) {
    problem = withoutRegistry(error)
  }
}, 600_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

/** What a clone would have if everything here were committed. */
async function cloneTo(clone: string): Promise<void> {
  const list = ['ls-files', '-z', '--cached', '--others', '--exclude-standard', '--deduplicate']
  const [all, deleted] = await Promise.all(
    [list, ['ls-files', '-z', '--deleted']].map(async (args) =>
      (await run('git', args, { cwd: root, maxBuffer: 1 << 24 })).stdout.split('\0'),
    ),
  )
  for (const path of all ?? []) {
    if (path === '' || deleted?.includes(path) === true) continue
    await mkdir(dirname(join(clone, path)), { recursive: true })
    await cp(join(root, path), join(clone, path))
  }
}

/** A document's snippets of a language, in order. */
function snippets(document: string, language: string): readonly string[] {
  return [...document.matchAll(/^```(\w+)\n(.*?)^```$/gms)].flatMap(([, name, code]) =>
    name === language && code !== undefined ? [code] : [],
  )
}

/** The examples in the comments of the sources. */
async function examples(): Promise<readonly { readonly code: string; readonly runs: boolean }[]> {
  const names = await readdir(join(root, 'src'), { recursive: true })
  const found = await Promise.all(
    names
      .filter((name) => name.endsWith('.ts'))
      .map(async (name) => {
        const path = `src/${name}`
        const text = await readFile(join(root, path), 'utf8')
        return [...text.matchAll(/^ *\* @example\n *\* ```ts\n(.*?)^ *\* ```$/gms)].map(
          ([, lines = '']) => ({
            code: lines.replaceAll(/^ *\* ?/gm, ''),
            runs: !ELSEWHERE.includes(path),
          }),
        )
      }),
  )
  return found.flat()
}

/** Compiles all snippets, with the flags that the README gives. */
async function compileSnippets(): Promise<void> {
  const [push = '', pop = '', ...rest] = snippets(readme, 'ts')
  const paths = (await readdir(join(root, 'docs'))).filter((name) => name.endsWith('.md'))
  const pages = await Promise.all(
    paths.map(async (name) => {
      const path = `docs/${name}`
      const found = snippets(await readFile(join(root, path), 'utf8'), 'ts')
      const runs = !ELSEWHERE.includes(path)
      return found.map((code) => ({ code: `${SURROUNDINGS[path] ?? ''}${code}`, runs }))
    }),
  )
  const all = [
    ...rest.map((code) => ({ code, runs: true })),
    ...pages.flat(),
    ...(await examples()),
  ]
  const suite = all.find(({ code }) => code.includes('deviceConformance'))
  const others = all.filter((snippet) => snippet !== suite)
  const named = others.map((snippet, index) => ({ ...snippet, name: `documented-${index}` }))
  documented = named.filter(({ runs }) => runs).map(({ name }) => name)
  const sources = {
    push,
    pop,
    suite: `${suite?.code}${MY_DEVICE}`,
    ...Object.fromEntries(named.map(({ name, code }) => [name, code])),
  }
  for (const [name, code] of Object.entries(sources)) await writeFile(join(app, `${name}.ts`), code)
  const flags = /`(--target [^`]*)`/.exec(readme)?.[1]?.split(' ') ?? []
  const names = Object.keys(sources).map((name) => `${name}.ts`)
  const compiler = join(app, 'node_modules/typescript/bin/tsc')
  await run(process.execPath, [compiler, '--strict', ...flags, ...names], { cwd: app })
}

test('the package has what can be imported, in 60 files and a megabyte', (context) => {
  needs(context, problem)
  const code = /^dist\/.*\.(js|d\.ts)$/
  const documents = /^(package\.json|LICENSE|[A-Z]+\.md|dist\/(sbr\.1|page\.html))$/
  expect(files.filter((path) => !code.test(path) && !documents.test(path))).toEqual([])
  expect(files.length).toBeLessThanOrEqual(60)
  expect(packedBytes).toBeLessThanOrEqual(1_000_000)
  for (const path of entries) expect(files).toContain(path)
})

test('each way in can be required where Node can, and imported', async (context) => {
  needs(context, problem)
  const names = Object.keys(exported).map((path) => path.replace('.', 'shared-block-ring'))
  const same = `
    const names = ${JSON.stringify(names)}
    Promise.all(names.map(async (name) => {
      const required = require(name)
      const imported = name.endsWith('.json') ? required : await import(name)
      for (const key of Object.keys(imported)) if (imported[key] !== required[key]) throw new Error(name + ' ' + key)
    })).then(() => console.log('same'))`
  const { stdout } = await run(process.execPath, ['--input-type=commonjs', '-e', same], {
    cwd: app,
  })
  expect(stdout).toBe('same\n')
})

test("the README's snippets compile and run, each in a process of its own", async (context) => {
  needs(context, problem)
  await pushAndPop([process.execPath], 'js', app)
})

/** Node without types to strip, or without `await using`. */
const RUN_COMPILED = ['node 20', 'node 22']

test.for(RUNTIMES)(
  "the README's program runs with the package alone in %s",
  async (name, context) => {
    const { runtimes, problem: missing } = await fetchRuntimes()
    needs(context, problem ?? missing)
    const { command = [] } = runtimes.find((runtime) => runtime.name === name) ?? {}
    await pushAndPop(command, RUN_COMPILED.includes(name) ? 'js' : 'ts', alone)
  },
)

/** Runs the README's program in two processes, in a folder where the package is installed. */
async function pushAndPop(
  [program = '', ...flags]: readonly string[],
  ending: 'js' | 'ts',
  cwd: string,
): Promise<void> {
  await rm(join(cwd, 'jobs.ring'), { force: true })
  await run(program, [...flags, `push.${ending}`], { cwd })
  const reader: ChildProcess = spawn(program, [...flags, `pop.${ending}`], {
    cwd,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [printed] = (await once(reader.stdout ?? reader, 'data')) as [Buffer]
  expect(printed.toString()).toBe('1\n')
  // It waits for more, until it is told to stop.
  reader.kill('SIGTERM')
  expect(await once(reader, 'exit')).toEqual([0, null])
  const sbr = [join('node_modules', '.bin', 'sbr'), 'diagnostics', 'jobs.ring', '--json']
  const { stdout } = await run(program, [...flags, ...sbr], { cwd })
  expect(JSON.parse(stdout)).toMatchObject({ stats: { committedItems: 1, acknowledgedItems: 1 } })
}

test('the snippets of the documents print what their comments say', async (context) => {
  needs(context, problem)
  expect(documented.length).toBeGreaterThan(25)
  for (const name of documented) {
    const { stdout } = await run(process.execPath, [`${name}.js`], { cwd: app })
    const source = await readFile(join(app, `${name}.ts`), 'utf8')
    const said = [...source.matchAll(/console\.log\(.*\) \/\/ (.*)$/gm)].map(([, text]) => text)
    expect(stdout).toBe(said.map((text) => `${text}\n`).join(''))
  }
})

test('the snippet of docs/back-ends.md runs the suite for a back-end', async (context) => {
  needs(context, problem)
  const { stdout } = await run(process.execPath, ['--test', 'suite.js'], { cwd: app })
  expect(stdout).toMatch(/# pass [1-9]/)
})

/** Runs the commands of a document, as a shell would that stops at the first failure. */
async function runCommands(document: string, cwd: string): Promise<void> {
  const PATH = `${join(app, 'node_modules/.bin')}:${process.env['PATH']}`
  await run('sh', ['-ec', document], { cwd, env: { ...process.env, PATH } })
}

test('the commands of the README hand over what they are given', async (context) => {
  needs(context, problem)
  const commands = snippets(readme, 'sh').find((code) => code.includes('sbr create')) ?? ''
  await runCommands(commands, app)
  const numbers = await readFile(join(app, 'numbers.txt'), 'utf8')
  expect(numbers).toBe(Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join(''))
})

test.for(COMMANDS)('the commands of %s work, one after the other', async (path, context) => {
  needs(context, problem)
  const commands = snippets(await readFile(join(root, path), 'utf8'), 'sh')
  expect(commands.length).toBeGreaterThan(0)
  const empty = await mkdtemp(join(folder, 'commands-'))
  await runCommands(commands.join('\n'), empty)
  if (path !== 'docs/operating.md') return
  await runCommands('sbr consume rescued.ring --drain > rescued.txt', empty)
  const rescued = await readFile(join(empty, 'rescued.txt'), 'utf8')
  expect(rescued).toBe(Array.from({ length: 1000 }, (_, index) => `${index + 1}\n`).join(''))
})
