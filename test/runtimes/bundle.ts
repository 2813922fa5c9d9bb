import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { type Plugin, rolldown } from 'rolldown'
import { beforeAll, expect, test } from 'vitest'
import { temporaryFolder } from '../conformance/folder.ts'
import { needs } from '../helpers/interop.ts'
import { fetchRuntimes, RUNTIMES, type Runtime } from '../helpers/runtimes.ts'

/** What came of test files in a runtime. */
export interface Outcome {
  readonly passed: number
  readonly skipped: number
  /** Each with the file, the test and the message. */
  readonly failures: readonly string[]
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** Has modules find beside them what they would find at home. */
const AT_HOME: Plugin = {
  name: 'at home',
  resolveId: (id) =>
    id === 'koffi' ? { id: import.meta.resolve('koffi'), external: 'absolute' } : null,
  transform: (code, id) =>
    id.startsWith(ROOT) && !id.includes('/node_modules/')
      ? code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(id).href))
      : null,
}

/**
 * Runs test files in every runtime, or in those that are named. Vitest itself is slow where it runs in Bun and Deno at
 * all, so each file is made JavaScript that all runtimes understand, with a stand-in for Vitest.
 */
export function testInRuntimes(
  files: readonly string[],
  names: readonly string[] = RUNTIMES,
): void {
  const folder = temporaryFolder()
  let runtimes: readonly Runtime[] = []
  let problem: string | undefined

  beforeAll(async () => {
    const fetched = await fetchRuntimes()
    runtimes = fetched.runtimes
    problem = fetched.problem
    const bundled = await rolldown({
      input: Object.fromEntries(['test/runtimes/program.ts', ...files].map((path) => [path, path])),
      cwd: ROOT,
      platform: 'node',
      external: [/^node:/],
      resolve: { alias: { vitest: join(ROOT, 'test/runtimes/stand-in.ts') } },
      transform: { target: 'es2022' },
      plugins: [AT_HOME],
      // package.json says that modules only export, which is not true of tests.
      treeshake: false,
      logLevel: 'silent',
    })
    await bundled.write({ dir: folder, entryFileNames: '[name].mjs', chunkFileNames: '[hash].mjs' })
  })

  test.for(names)('%s', async (name, context) => {
    needs(context, problem)
    const [program = '', ...flags] = runtimes.find((each) => each.name === name)?.command ?? []
    const addresses = files.map((path) => pathToFileURL(join(folder, `${path}.mjs`)).href)
    const args = [...flags, join(folder, 'test/runtimes/program.ts.mjs'), ...addresses]
    const { stdout } = await promisify(execFile)(program, args, { cwd: ROOT, maxBuffer: 1 << 24 })
    const last = stdout.trimEnd().split('\n').at(-1) ?? ''
    const { passed, failures } = JSON.parse(last) as Outcome
    expect(failures).toEqual([])
    expect(passed).toBeGreaterThan(files.length)
  })
}
