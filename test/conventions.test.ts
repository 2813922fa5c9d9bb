import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { ALONE } from './alone.ts'

const root = fileURLToPath(new URL('../', import.meta.url))

function filesOf(folder: string, ending: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
  const own = names.filter((name) => name.endsWith(ending) && !name.includes('node_modules'))
  return own.map((name) => join(folder, name))
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

const DOCUMENTS = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...['docs', 'lab', 'test'].flatMap((folder) => filesOf(folder, '.md')),
]

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(document: string): string[] {
  const headings = readFileSync(document, 'utf8').matchAll(/^#+ (.+)$/gm)
  return [...headings].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

test('links between documents lead to a file and a heading', () => {
  const broken: string[] = []
  let links = 0
  for (const document of DOCUMENTS) {
    const text = readFileSync(join(root, document), 'utf8')
    for (const [, link = ''] of text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)) {
      links++
      const [path = '', anchor] = link.split('#')
      const target = path === '' ? join(root, document) : join(root, dirname(document), path)
      const found =
        existsSync(target) && (anchor === undefined || anchorsOf(target).includes(anchor))
      if (!found) broken.push(`${document}: ${link}`)
    }
  }
  expect(broken).toEqual([])
  expect(links).toBeGreaterThan(30)
})

test('the README stays under 10,000 bytes', () => {
  expect(statSync(join(root, 'README.md')).size).toBeLessThan(10_000)
})

test('test files that documents name are there', () => {
  const missing: string[] = []
  let named = 0
  for (const document of DOCUMENTS) {
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

const SOURCES = new Map(
  filesOf('src', '.ts').map((file) => [file, readFileSync(join(root, file), 'utf8')]),
)
const DOC_COMMENT = /\/\*\*.*?\*\//gs
const withoutComments = (text: string) =>
  text.replaceAll(DOC_COMMENT, '').replaceAll(/^\s*\/\/.*$/gm, '')

function wordsOf(text: string): Set<string> {
  return new Set(
    withoutComments(text)
      .replaceAll(/ from '[^'\n]*'/g, '')
      .match(/[A-Za-z_$][\w$]*/g),
  )
}

/** What a doc comment says that a call throws, or links to. */
function namedIn(comment: string): string[] {
  const text = comment.replaceAll(/\s*\n\s*\*?/g, ' ')
  const thrown = [...text.matchAll(/@throws (.*?)(?= @|$)/g)].map(([, one = '']) => one)
  return [
    ...[...text.matchAll(/\{@link ([\w.]+)/g), ...text.matchAll(/\bthrows `([\w.]+)`/g)],
    ...thrown.flatMap((one) => [...one.matchAll(/`([A-Za-z_$][\w$.]*)`/g)]),
    ...thrown.flatMap((one) => [...one.matchAll(/(?<=^\{[\w| ]*)\b(\w+)\b(?=[\w| ]*\})/g)]),
  ].map(([, name = '']) => name)
}

test('what doc comments throw and link to is the name of something', () => {
  const words = new Map([...SOURCES].map(([file, text]) => [file, wordsOf(text)]))
  const whole = [...SOURCES.values()].map(withoutComments).join('\n')
  const exported =
    /\bexport (?:abstract |async )*(?:class|interface|type|function\*?|const) ([A-Za-z_$][\w$]*)/g
  const method =
    /^ {2}(?:(?:static|async|protected|override|abstract|get) )*\*?([A-Za-z_$][\w$]*)[(<]/gm
  const code = /'([A-Z][A-Z_]+)'/g
  const known = new Set(
    [exported, method, code].flatMap((kind) => [...whole.matchAll(kind)].map(([, name]) => name)),
  )
  const missing: string[] = []
  let named = 0
  for (const [file, text] of SOURCES) {
    const imports = [...text.matchAll(/ from '(\.[^']*)'/g)].map(([, path = '']) =>
      posix.join(posix.dirname(file), path),
    )
    const near = [file, ...imports].map((one) => words.get(one) ?? new Set())
    const isKnown = (name: string) =>
      known.has(name) || name in globalThis || near.some((one) => one.has(name))
    for (const name of (text.match(DOC_COMMENT) ?? []).flatMap(namedIn)) {
      named++
      // `Consumer.attach`: some file has both words.
      const isThere = name.includes('.')
        ? [...words.values()].some((one) => name.split('.').every((part) => one.has(part)))
        : isKnown(name)
      if (!isThere) missing.push(`${file}: ${name}`)
    }
  }
  expect(missing).toEqual([])
  expect(named).toBeGreaterThan(400)
})

test('names of tests are no fragments: none leans on the name before it, or is too short to have a subject', () => {
  const named =
    /^( *)(?:test|it)(?:\.(?:for|each|skip|only)\([\s\S]*?\n?\s*\))?\(\s*(['`])(.+?)\2/gm
  const fragments: string[] = []
  let names = 0
  for (const file of TESTS) {
    for (const [, indent, , name = ''] of readFileSync(join(root, file), 'utf8').matchAll(named)) {
      names++
      const leans = /^(?:and|nor|or|so (?:is|are|does|do)|not so|also|but)\b/.test(name)
      // Within a `describe`, that is the subject.
      const isShort = indent === '' && !/%|\$/.test(name) && name.split(' ').length < 3
      if (leans || isShort) fragments.push(`${file}: ${name}`)
    }
  }
  expect(fragments).toEqual([])
  expect(names).toBeGreaterThan(1500)
})

test('comments fit into 120 columns, but for samples of code', () => {
  const long: string[] = []
  let comments = 0
  for (const file of [...filesOf('src', '.ts'), ...filesOf('test', '.ts')]) {
    for (const line of readFileSync(join(root, file), 'utf8').split('\n')) {
      if (!/^\s*(?:\*|\/\/|\/\*) /.test(line) && !/^\s*\/\*\* /.test(line)) continue
      comments++
      if (line.length > 120 && !/^\s*\* export /.test(line)) long.push(`${file}: ${line.trim()}`)
    }
  }
  expect(long).toEqual([])
  expect(comments).toBeGreaterThan(8000)
})
