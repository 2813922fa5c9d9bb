// The ledger of the crash test, which is TypeScript, for any Node that the package supports.
import { readFileSync } from 'node:fs'
import ts from 'typescript'

const source = readFileSync(new URL('../../test/crash/ledger.ts', import.meta.url), 'utf8')
const { outputText } = ts.transpileModule(source, {
  compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
})

export const { Ledger } = await import(`data:text/javascript,${encodeURIComponent(outputText)}`)
