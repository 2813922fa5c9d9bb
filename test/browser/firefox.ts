import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { openTab, type Page, PageServer, type Tab } from './tabs.ts'

const require: NodeJS.Require = createRequire(import.meta.url)
const FIREFOX = '/usr/bin/firefox-esr'

/** What is used of `ws`, which is installed for these tests only. */
interface Socket {
  on(event: 'message', listener: (data: Buffer) => void): void
  once(event: 'open' | 'close', listener: () => void): void
  once(event: 'error', listener: (error: Error) => void): void
  send(text: string): void
  terminate(): void
}

/** Why the tests with Firefox cannot run here; undefined if they can. */
export function firefoxMissing(): string | undefined {
  if (!existsSync(FIREFOX)) return 'there is no Firefox (Debian: firefox-esr)'
  try {
    require.resolve('ws')
    return undefined
  } catch {
    return 'its driver is not installed (npm ci --prefix test/browser)'
  }
}

interface Waiting {
  readonly resolve: (result: unknown) => void
  readonly reject: (error: Error) => void
}

/** WebDriver BiDi: commands over a WebSocket, each with an answer. */
class Bidi {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  #commands = 0

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('message', (data) => {
      const said = JSON.parse(data.toString())
      const waiting = this.#waiting.get(said.id)
      this.#waiting.delete(said.id)
      if (said.type === 'success') waiting?.resolve(said.result)
      else if (said.type === 'error') waiting?.reject(new Error(`${said.error}: ${said.message}`))
    })
    socket.once('close', () => {
      for (const { reject } of this.#waiting.values()) reject(new Error('Firefox has ended'))
      this.#waiting.clear()
    })
  }

  static async connect(url: string): Promise<Bidi> {
    const { WebSocket } = require('ws') as { readonly WebSocket: new (url: string) => Socket }
    const socket = new WebSocket(`${url}/session`)
    await new Promise<void>((resolve, reject) => {
      socket.once('open', resolve)
      socket.once('error', reject)
    })
    const bidi = new Bidi(socket)
    await bidi.send('session.new', { capabilities: {} })
    return bidi
  }

  async send<T>(method: string, params: object): Promise<T> {
    const id = ++this.#commands
    const answered = new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
    })
    this.#socket.send(JSON.stringify({ id, method, params }))
    return (await answered) as T
  }

  close(): void {
    this.#socket.terminate()
  }
}

/** What a script came to. */
interface Evaluated {
  readonly type: 'success' | 'exception'
  readonly result?: { readonly value?: string }
  readonly exceptionDetails?: { readonly text: string }
}

/** Firefox without a screen, with a profile of its own, and a server with the built package. */
export class Firefox implements AsyncDisposable {
  readonly server: PageServer
  readonly #profile: string
  #process: ChildProcess
  #bidi: Bidi

  private constructor(server: PageServer, profile: string, process: ChildProcess, bidi: Bidi) {
    this.server = server
    this.#profile = profile
    this.#process = process
    this.#bidi = bidi
  }

  static async start(): Promise<Firefox> {
    const profile = mkdtempSync(join(tmpdir(), 'sbr-firefox-'))
    const [process, bidi] = await begin(profile)
    return new Firefox(await PageServer.start(), profile, process, bidi)
  }

  /** Opens a tab. */
  async tab(): Promise<Tab> {
    const bidi = this.#bidi
    const { context } = await bidi.send<{ readonly context: string }>('browsingContext.create', {
      type: 'tab',
    })
    const page: Page = {
      goto: (url) => bidi.send('browsingContext.navigate', { context, url, wait: 'complete' }),
      evaluate: async <T, A>(run: (argument: A) => T | Promise<T>, argument: A) => {
        const { type, result, exceptionDetails } = await bidi.send<Evaluated>(
          'script.callFunction',
          {
            functionDeclaration: `async (text) => JSON.stringify({ value: await (${run})(JSON.parse(text)) })`,
            arguments: [{ type: 'string', value: JSON.stringify(argument) }],
            awaitPromise: true,
            target: { context },
          },
        )
        if (type === 'exception') throw new Error(exceptionDetails?.text)
        return JSON.parse(result?.value ?? '{}').value as T
      },
      close: async () => {
        await bidi.send('browsingContext.close', { context })
      },
    }
    return await openTab(page, this.server.url)
  }

  /** Kills all of its processes, and starts it again with the same files. */
  async killAndRestart(): Promise<void> {
    await this.#kill()
    ;[this.#process, this.#bidi] = await begin(this.#profile)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#kill()
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 10 })
    this.server.close()
  }

  async #kill(): Promise<void> {
    this.#bidi.close()
    const { pid, exitCode, signalCode } = this.#process
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    const exited = once(this.#process, 'exit')
    process.kill(-pid, 'SIGKILL')
    await exited
  }
}

async function begin(profile: string): Promise<[ChildProcess, Bidi]> {
  const args = ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0']
  // A group of its own, so that none of its processes is left.
  const child = spawn(FIREFOX, args, { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  for await (const line of createInterface({ input: child.stderr })) {
    const [, url] = /^WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? []
    if (url === undefined) continue
    // What it complains of later must not fill the pipe.
    child.stderr.resume()
    return [child, await Bidi.connect(url)]
  }
  throw new Error('Firefox ended before it listened')
}
