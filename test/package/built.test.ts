import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type OutputChunk, rolldown } from 'rolldown'
import ts from 'typescript'
import { beforeAll, expect, test } from 'vitest'
import { dist, root, whyBuild } from '../../scripts/built.mjs'

beforeAll(() => {
  expect(whyBuild(), 'npm run build first').toBeUndefined()
})

/** What is loaded with a file before anything of it runs: other files of the package, and modules from elsewhere. */
function loadedWith(path: string): { files: Set<string>; others: Set<string> } {
  const [files, others] = [new Set<string>(), new Set<string>()]
  const visit = (file: string): void => {
    if (files.has(file)) return
    files.add(file)
    for (const statement of sourceOf(file).statements) {
      if (!ts.isImportDeclaration(statement) && !ts.isExportDeclaration(statement)) continue
      const from = statement.moduleSpecifier
      if (from === undefined || !ts.isStringLiteral(from)) continue
      if (from.text.startsWith('.')) visit(join(dirname(file), from.text))
      else others.add(from.text)
    }
  }
  visit(join(dist, path))
  return { files: new Set([...files].map((file) => relative(dist, file))), others }
}

function sourceOf(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest)
}

test('the core is loaded as a few files, and nothing from elsewhere', () => {
  const { files, others } = loadedWith('index.js')
  expect(files.size).toBeLessThan(10)
  expect([...others]).toEqual([])
})

test('the version is told by one file', () => {
  const { files, others } = loadedWith('cli/main.js')
  expect([...files]).toEqual(['cli/main.js'])
  expect([...others]).toEqual([])
})

interface Packed {
  readonly path: string
}

test('what is published are few files, without sources and their maps', () => {
  const args = ['pack', '--dry-run', '--ignore-scripts', '--json']
  const packed = execFileSync('npm', args, { cwd: root, encoding: 'utf8', stdio: 'pipe' })
  const [{ files }] = JSON.parse(packed) as [{ files: readonly Packed[] }]
  expect(files.length).toBeLessThanOrEqual(60)
  expect(files.filter(({ path }) => /^src\/|\.map$/.test(path))).toEqual([])
})

test('no file that can be required waits as it is loaded', () => {
  for (const path of loadedWith('index.js').files) {
    expect(awaits(sourceOf(join(dist, path))), path).toBe(false)
  }
})

/** Whether there is an `await` outside of all functions. */
function awaits(node: ts.Node): boolean {
  if (ts.isFunctionLike(node)) return false
  if (ts.isAwaitExpression(node)) return true
  if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return true
  return ts.forEachChild(node, (child) => awaits(child) || undefined) === true
}

/** Opens a ring in memory, pushes and pops. */
const PROGRAM = `
import { RingReader, RingWriter } from '${join(dist, 'index.js')}'
import { MemoryBlockDevice } from '${join(dist, 'block/index.js')}'
import { text } from '${join(dist, 'codec/index.js')}'
export async function run() {
  const device = new MemoryBlockDevice({ sizeSectors: 1024 })
  const writer = await RingWriter.open(device, { codec: text, createIfMissing: true })
  await writer.push('hello')
  const reader = await RingReader.open(device, { codec: text })
  return await reader.receive()
}`
/** The same on a file of the browser's. */
const ON_OPFS = PROGRAM.replace('MemoryBlockDevice }', 'OpfsBlockDevice }')
  .replace('block/index.js', 'block/opfs/index.js')
  .replace('new MemoryBlockDevice(', "await OpfsBlockDevice.openOrCreate('r', ")
/** A worker that serves such a file to pages, and one of those. */
const SERVING = `
import { OpfsBlockDevice } from '${join(dist, 'block/opfs/index.js')}'
import { RingServer } from '${join(dist, 'worker/index.js')}'
const open = () => OpfsBlockDevice.openOrCreate('r', { sizeBytes: 1 << 20 })
new RingServer(self, { open, createIfMissing: true })`
const CONNECTED = `
import { json } from '${join(dist, 'codec/index.js')}'
import { RingConnection } from '${join(dist, 'worker/index.js')}'
export async function run(worker) {
  const ring = await RingConnection.open(worker, { codec: json() })
  await ring.push({})
  await (await ring.receive()).ack()
}`
/** Bytes, gzipped, of what such a program loads at first. */
const MOST_BYTES = 41_000
const MOST_BYTES_ON_OPFS = 45_000
const MOST_BYTES_SERVING = 46_500
const MOST_BYTES_CONNECTED = 11_200

test.each([
  ['a program that pushes and pops in memory', PROGRAM, MOST_BYTES],
  ['one that does in a file of the browser', ON_OPFS, MOST_BYTES_ON_OPFS],
  ['a worker that serves such a file to pages', SERVING, MOST_BYTES_SERVING],
  ['a page that is connected to it', CONNECTED, MOST_BYTES_CONNECTED],
])('%s is small, and loads the rest when it needs it', async (_, program, most) => {
  const bundled = await rolldown({
    input: 'program',
    platform: 'browser',
    plugins: [
      {
        name: 'program',
        resolveId: (id) => (id === 'program' ? id : null),
        load: (id) => (id === 'program' ? program : null),
      },
    ],
  })
  const { output } = await bundled.generate({ minify: true })
  const chunks = new Map(
    output.flatMap((chunk) => (chunk.type === 'chunk' ? [[chunk.fileName, chunk] as const] : [])),
  )
  const first = new Set<OutputChunk>()
  const visit = (chunk: OutputChunk | undefined): void => {
    if (chunk === undefined || first.has(chunk)) return
    first.add(chunk)
    for (const name of chunk.imports) visit(chunks.get(name))
  }
  visit(output[0])
  const modules = [...first].flatMap((chunk) => Object.keys(chunk.modules))
  for (const lazy of ['format1', 'leases', 'creation', 'tools']) {
    expect(modules).not.toContain(join(dist, `shared/${lazy}.js`))
  }
  const bytes = [...first].reduce((sum, { code }) => sum + gzipSync(code).length, 0)
  expect(bytes).toBeLessThan(most)
})
