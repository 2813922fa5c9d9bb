// Transpiles the sources, with patches, into a folder of its own: a build without type checks.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

const source = fileURLToPath(new URL('../src/', import.meta.url))
/** What the simulator does not need. */
const LEFT_OUT = ['cli', 'streams', 'conformance', 'journal']

/** The modules of the sources, as paths within them. */
export function modules() {
  return readdirSync(source, { recursive: true })
    .map((name) => name.replaceAll('\\', '/'))
    .filter((name) => name.endsWith('.ts') && !LEFT_OUT.includes(name.split('/')[0]))
}

/** Writes the named modules to a folder, patched: `patches` are `{ file, find, replace }`. */
export function transpile(folder, names, patches = []) {
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n')
  for (const name of names) {
    const target = join(folder, name.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, compiled(patched(name, patches)))
  }
}

/**
 * The text of a module, patched.
 * @throws what a patch replaces does not occur exactly once
 */
export function patched(name, patches) {
  let text = readFileSync(join(source, name), 'utf8')
  for (const { file, find, replace } of patches) {
    if (file !== name) continue
    const pieces = text.split(find)
    if (pieces.length !== 2) {
      throw new Error(`${file} has ${pieces.length - 1} of what a mutant replaces, not 1: ${find}`)
    }
    text = pieces.join(replace)
  }
  return text
}

function compiled(text) {
  return ts.transpileModule(text, {
    compilerOptions: {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  }).outputText
}
