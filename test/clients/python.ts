import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const folder: string = fileURLToPath(new URL('../../clients/python/', import.meta.url))
const many = fileURLToPath(new URL('many.py', import.meta.url))

/** The reader in Python, to be run by itself. */
export const SBR_READ: string = `${folder}sbr_read.py`

/** Why the tests with Python cannot run here; undefined if they can. */
export function pythonMissing(): string | undefined {
  const { status } = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))'])
  return status === 0 ? undefined : 'there is no python3 of at least 3.9 (Debian: python3)'
}

/** An item as both readers list it. */
export interface Listed {
  readonly position: string
  readonly hex: string
}

/** What the reader in Python says of an image. */
export interface Told {
  readonly code: number
  readonly seconds?: number
  readonly format?: 1 | 2
  readonly items?: readonly Listed[]
  readonly damage?: readonly { readonly where: string; readonly what: string }[]
  readonly error?: string
  /** Of a pool. */
  readonly rings?: readonly {
    readonly name: string
    readonly offset: number
    readonly bytes: number
  }[]
}

/** One process that reads one image after the other. */
export class PythonReader implements AsyncDisposable {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>

  constructor() {
    this.#process = spawn('python3', [many, folder])
    this.#process.stderr.pipe(process.stderr)
    this.#lines = createInterface(this.#process.stdout)[Symbol.asyncIterator]()
  }

  /** @param ring of a pool, without a space */
  async read(path: string, sectorSize = 512, ring = '-'): Promise<Told> {
    this.#process.stdin.write(`${sectorSize} ${ring} ${path}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`the reader in Python ended at ${path}`)
    return JSON.parse(value) as Told
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const gone = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await gone
  }
}

/** Runs the reader as from a shell. */
export async function runPython(
  args: readonly string[],
): Promise<{ readonly code: number | null; readonly output: string; readonly errors: string }> {
  const child = spawn('python3', [SBR_READ, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const said = { output: '', errors: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.output += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.errors += text
  })
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, ...said }
}
