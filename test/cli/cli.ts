import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { whyBuild } from '../../scripts/built.mjs'

const root = fileURLToPath(new URL('../../', import.meta.url))

/** The built command line. */
export const mainPath: string = join(root, 'dist/cli/main.js')

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: Buffer
  readonly stderr: string
}

/** A command at work; disposing of it kills it. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcessWithoutNullStreams
  readonly ended: Promise<Ended>
  /** Resolves when standard output has come to this. */
  printed(test: (stdout: Buffer) => boolean): Promise<void>
  /** Resolves when standard error has come to this. */
  complained(test: (stderr: string) => boolean): Promise<void>
}

/** A directory for one test. */
export interface TemporaryFolder extends Disposable {
  readonly path: string
  file(name: string): string
}

export function temporaryFolder(): TemporaryFolder {
  const path = mkdtempSync(join(tmpdir(), 'sbr-cli-'))
  return {
    path,
    file: (name) => join(path, name),
    [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }),
  }
}

/** Starts the built command line. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, cwd?: string): Running {
  checkBuilt()
  // A test runner with colours wants them of its children, too.
  const { FORCE_COLOR: _, ...inherited } = process.env
  const child = spawn(process.execPath, [mainPath, ...args], {
    env: { ...inherited, ...env },
    cwd,
  })
  const stdout: Buffer[] = []
  let stderr = ''
  child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
  })
  child.stdin.on('error', () => undefined) // It may end before it has read all.
  const ended = once(child, 'close').then(() => ({
    code: child.exitCode,
    signal: child.signalCode,
    stdout: Buffer.concat(stdout),
    stderr,
  }))
  return {
    child,
    ended,
    printed: async (test) => {
      while (!test(Buffer.concat(stdout))) {
        if (child.exitCode !== null) throw new Error(`it ended before that: ${stderr}`)
        await once(child.stdout, 'data')
      }
    },
    complained: async (test) => {
      while (!test(stderr)) {
        if (child.exitCode !== null) throw new Error(`it ended before that: ${stderr}`)
        await once(child.stderr, 'data')
      }
    },
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Runs the built command line to its end. */
export async function sbr(
  args: readonly string[],
  input: string | Uint8Array = '',
  env: NodeJS.ProcessEnv = {},
): Promise<Ended> {
  await using running = start(args, env)
  running.child.stdin.end(input)
  return await running.ended
}

/** Runs it, and expects that it does what it should. */
export async function ok(
  args: readonly string[],
  input: string | Uint8Array = '',
): Promise<Buffer> {
  const { code, stdout, stderr } = await sbr(args, input)
  if (code !== 0) throw new Error(`sbr ${args.join(' ')} ended with ${code}: ${stderr}`)
  return stdout
}

/** The error of a command that ran with `--json`. */
export function jsonError(ended: Ended): Record<string, unknown> {
  const lines = ended.stderr.trimEnd().split('\n')
  if (lines.length !== 1) throw new Error(`expected one line, found: ${ended.stderr}`)
  return JSON.parse(lines[0] ?? '').error
}

/** What `diagnostics --json` says. */
export async function diagnose(path: string, ...flags: string[]): Promise<Record<string, unknown>> {
  return JSON.parse((await ok(['diagnostics', path, '--json', ...flags])).toString())
}

export function frame(item: Uint8Array): Buffer {
  const header = Buffer.alloc(4)
  header.writeUInt32LE(item.length)
  return Buffer.concat([header, item])
}

/** The lines `1` to `count`. */
export function numbers(from: number, to: number): string {
  let text = ''
  for (let number = from; number <= to; number++) text += `${number}\n`
  return text
}

let checked = false

/** Tests of what was built before the source changed would say nothing. */
function checkBuilt(): void {
  if (checked) return
  const why = whyBuild()
  if (why !== undefined) throw new Error(`this test runs what is built, and ${why}: npm run build`)
  checked = true
}
