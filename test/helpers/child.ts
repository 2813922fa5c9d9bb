import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('../block/file-child.mjs', import.meta.url))
const built = fileURLToPath(new URL('../../dist/block/file/index.js', import.meta.url))

/** How a child ended. */
export interface ChildEnd {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly output: string
  readonly errors: string
}

/** A second process that uses the built package. */
export interface Child extends AsyncDisposable {
  readonly process: ChildProcessWithoutNullStreams
  /** The next line that it says, as JSON. */
  said(): Promise<unknown>
  /** Kills it, and resolves when it is gone. */
  kill(): Promise<void>
}

/** Starts `test/block/file-child.mjs`, by another command if there is one (`strace`, `unshare`). */
export function startChild(
  command: string,
  path: string,
  options: object = {},
  by: readonly string[] = [],
): Child {
  if (!existsSync(built)) throw new Error('this test uses the built package: npm run build')
  const [program = '', ...args] = [...by, process.execPath, script, command, path]
  const child = spawn(program, [...args, JSON.stringify(options)])
  child.stderr.pipe(process.stderr)
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]()
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }
  return {
    process: child,
    said: async () => JSON.parse((await lines.next()).value ?? '"nothing"'),
    kill,
    [Symbol.asyncDispose]: kill,
  }
}

/** Runs `test/block/file-child.mjs` to its end. */
export async function runChild(
  command: string,
  path: string,
  options: object = {},
  by: readonly string[] = [],
): Promise<ChildEnd> {
  await using child = startChild(command, path, options, by)
  let output = ''
  let errors = ''
  child.process.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString()
  })
  child.process.stderr.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  await once(child.process, 'close')
  return { code: child.process.exitCode, signal: child.process.signalCode, output, errors }
}
