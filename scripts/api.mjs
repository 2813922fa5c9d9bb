// Lists what the package exports, from its declarations: a file for each way in, in test/package/api/.
//   npm run api   writes them; a test fails where they are not what the declarations say
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { root } from './built.mjs'

export const folder = join(root, 'test/package/api')

/** The listing of each way in, by the name of its file. */
export function apiReports() {
  const { exports: entries } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const waysIn = Object.entries(entries).filter(([, { types }]) => types !== undefined)
  const files = waysIn.map(([, { types }]) => join(root, types))
  const options = {
    target: ts.ScriptTarget.ES2023,
    lib: ['lib.es2023.d.ts', 'lib.dom.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    noEmit: true,
  }
  const program = ts.createProgram(files, options)
  const importable = new Set(
    files.flatMap((file) => exportsOf(program, file)).map(({ symbol }) => symbol),
  )
  return new Map(
    waysIn.map(([subpath], index) => {
      const name = subpath === '.' ? 'index' : subpath.slice(2).replaceAll('/', '-')
      return [`${name}.txt`, reportOf(program, files[index], subpath, importable)]
    }),
  )
}

function aliased(checker, symbol) {
  return symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol
}

function exportsOf(program, file) {
  const checker = program.getTypeChecker()
  return checker
    .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(file)))
    .map((symbol) => ({ name: symbol.name, symbol: aliased(checker, symbol) }))
}

/** What a way in exports, and then what that names and no way in exports. */
function reportOf(program, file, subpath, importable) {
  const checker = program.getTypeChecker()
  const printer = ts.createPrinter({ removeComments: true })
  const exported = exportsOf(program, file)
  const told = new Set(importable)
  const named = []

  const tell = ({ name, symbol }) => {
    const texts = symbol.declarations.map((declaration) => {
      const isVariable = ts.isVariableDeclaration(declaration)
      const whole = isVariable ? declaration.parent.parent : declaration
      const shown = withoutProtected(whole, importable.has(symbol))
      find(shown)
      return printer.printNode(ts.EmitHint.Unspecified, shown, whole.getSourceFile())
    })
    return `# ${name}\n${[...new Set(texts)].join('\n')}\n`
  }
  const find = (node) => {
    const found = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined
    const symbol = found && aliased(checker, found)
    const [declaration] = symbol?.declarations ?? []
    const isTop = declaration && ts.isSourceFile(declaration.parent)
    if (isTop && isOurs(declaration) && !told.has(symbol)) {
      told.add(symbol)
      named.push({ name: symbol.name, symbol })
    }
    ts.forEachChild(node, find)
  }
  const byName = (one, other) => (one.name < other.name ? -1 : 1)
  const lines = exported.sort(byName).map(tell)
  const more = []
  while (named.length > 0) {
    const [next] = named.splice(0, 1)
    more.push({ name: next.name, text: tell(next) })
  }
  const rest = more.sort(byName).map(({ text }) => text)
  const title = `What shared-block-ring${subpath.slice(1)} exports: written by npm run api; without protected members of classes that no program can extend.`
  const after = rest.length > 0 ? ['What that names, and cannot be imported.\n', ...rest] : []
  return `${title}\n\n${[...lines, ...after].join('\n')}`
}

/** Without the protected members of a class that no program can extend. */
function withoutProtected(node, isImportable) {
  if (!ts.isClassDeclaration(node)) return node
  const has = (member, kind) => ts.getModifiers(member)?.some((modifier) => modifier.kind === kind)
  const { PrivateKeyword, ProtectedKeyword } = ts.SyntaxKind
  const isFinal = node.members.some(
    (member) => ts.isConstructorDeclaration(member) && has(member, PrivateKeyword),
  )
  if (isImportable && !isFinal) return node
  const members = node.members.filter((member) => !has(member, ProtectedKeyword))
  return ts.factory.updateClassDeclaration(
    node,
    node.modifiers,
    node.name,
    node.typeParameters,
    node.heritageClauses,
    members,
  )
}

function isOurs(declaration) {
  return declaration.getSourceFile().fileName.includes('/dist/')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  for (const [name, report] of apiReports()) writeFileSync(join(folder, name), report)
}
