import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, cpSync, existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

export const ROOT: string = fileURLToPath(new URL('../../../', import.meta.url))

/** Copies of the built package that another user can read. */
export interface Copies {
  readonly with: string
  readonly without: string
}

/** Copies what is needed to run the package into a folder, with koffi and without. */
export function copyPackage(folder: string): Copies {
  if (!existsSync(join(ROOT, 'dist/index.js'))) {
    throw new Error('this test uses the built package: npm run build')
  }
  chmodSync(folder, 0o755)
  const copies = { with: join(folder, 'with'), without: join(folder, 'without') }
  for (const copy of Object.values(copies)) {
    for (const part of [
      'dist',
      '.build',
      'package.json',
      'test/block/claim',
      'node_modules/tslib',
    ]) {
      cpSync(join(ROOT, part), join(copy, part), { recursive: true })
    }
  }
  for (const name of ['koffi', '@koromix']) {
    const part = join('node_modules', name)
    cpSync(join(ROOT, part), join(copies.with, part), { recursive: true })
  }
  return copies
}

/** How to start a {@link Contender}. */
export interface ContenderOptions {
  readonly name: string
  /** What it runs in: {@link Copies}. */
  readonly folder: string
  readonly ring: string
  /** The command before the script. Default: this one's. */
  readonly command?: readonly string[]
  /** Its user and group. Default: this one's. */
  readonly user?: number
  /** In `test/block/claim`. Default `runtime-child.mjs`. */
  readonly script?: string
}

/** A process that does what it is told to, and answers. */
export class Contender implements AsyncDisposable {
  readonly name: string
  readonly hasKoffi: boolean
  readonly child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterator<string>

  constructor(options: ContenderOptions) {
    const { name, folder, ring, user, command = [process.execPath] } = options
    this.name = name
    this.hasKoffi = existsSync(join(folder, 'node_modules/koffi'))
    const script = join(folder, 'test/block/claim', options.script ?? 'runtime-child.mjs')
    const [program = '', ...flags] = command
    this.child = spawn(program, [...flags, script, folder, ring, name], {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'inherit'],
      ...(user !== undefined && { uid: user, gid: user }),
    })
    this.#lines = createInterface(this.child.stdout)[Symbol.asyncIterator]()
  }

  /** Has it do a command, with arguments. */
  async do(command: string, options: object = {}): Promise<unknown> {
    this.child.stdin.write(`${JSON.stringify({ command, ...options })}\n`)
    const { value, done } = await this.#lines.next()
    if (done === true) throw new Error(`${this.name} ended`)
    return JSON.parse(value)
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const gone = once(this.child, 'exit')
    this.child.kill('SIGKILL')
    await gone
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
