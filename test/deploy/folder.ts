import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

/** The text of an example. */
export function example(name: string): string {
  return readFileSync(join(root, 'examples/deploy', name), 'utf8')
}

/** The user and the group that something runs as. */
export interface Identity {
  readonly uid: number
  readonly gid: number
}

/** How a command ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
}

/** A command at work; disposing of it ends it, and all that it started. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /** Resolves when standard output has come to this. */
  printed(text: RegExp): Promise<void>
}

/** A folder that takes the places of a machine: of its programs, and of the directory of a ring. */
export class Machine implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), 'sbr-deploy-'))
  readonly #env: NodeJS.ProcessEnv

  constructor() {
    chmodSync(this.path, 0o755)
    const { PATH = '' } = process.env
    this.#env = {
      ...{ PATH: `${this.path}/bin:${PATH}`, HOME: this.path, TMPDIR: tmpdir() },
    }
  }

  /** Runs the RUN lines of a Dockerfile, with the package in its working directory. */
  async build(dockerfile: string): Promise<void> {
    const cwd = join(this.path, 'build')
    await mkdir(cwd)
    const env = {
      ...process.env,
      ...{ npm_config_prefix: this.path, npm_config_cache: join(this.path, 'cache') },
      ...{ npm_config_update_notifier: 'false', npm_config_fetch_retries: '0' },
    }
    const pack = ['pack', '--ignore-scripts', '--pack-destination', cwd]
    await run('npm', pack, { cwd: root, maxBuffer: 1 << 24 })
    for (const [, line = ''] of dockerfile.matchAll(/^RUN (.*)$/gm)) {
      await run('sh', ['-c', this.#here(line)], { cwd, env })
    }
  }

  /** Adds a program. */
  program(name: string, text: string): void {
    writeFileSync(join(this.path, 'bin', name), text, { mode: 0o755 })
  }

  /** Starts a command in place of the machine. */
  start(argv: readonly string[], { uid, gid }: Identity, env: NodeJS.ProcessEnv = {}): Running {
    const user = [`--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', '--no-new-privs']
    const child = spawn('setpriv', [...user, ...argv.map((word) => this.#here(word))], {
      ...{ cwd: this.path, env: { ...this.#env, ...env } },
      ...{ stdio: ['ignore', 'pipe', 'inherit'], detached: true },
    })
    let stdout = ''
    child.stdout?.on('data', (data: Buffer) => {
      stdout += data.toString()
    })
    const ended = once(child, 'close').then(() => ({ code: child.exitCode, stdout }))
    return {
      child,
      ended,
      printed: async (text) => {
        while (!text.test(stdout)) {
          if (child.exitCode !== null) throw new Error(`${argv.join(' ')} ended with ${stdout}`)
          await Promise.race([child.stdout && once(child.stdout, 'data'), ended])
        }
      },
      [Symbol.asyncDispose]: async () => {
        try {
          process.kill(-(child.pid ?? Number.NaN), 'SIGKILL')
        } catch {
          // It has ended.
        }
        await ended
      },
    }
  }

  /** Runs a command to its end. */
  async run(argv: readonly string[], identity: Identity): Promise<Ended> {
    await using running = this.start(argv, identity)
    return await running.ended
  }

  /** Paths of the machine as paths in this folder. */
  #here(text: string): string {
    return text
      .replaceAll('/var/lib/jobs', `${this.path}/queue`)
      .replaceAll('/usr/local/bin/', `${this.path}/bin/`)
      .replaceAll(/(?<![\w}])\/queue/g, `${this.path}/queue`)
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true })
  }
}
