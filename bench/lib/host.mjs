// The other end of worker.mjs.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('worker.mjs', import.meta.url))
/** No single measurement takes as long as this. */
const ANSWER_TIMEOUT_MS = 60_000

/** A process of a contestant, started by another command if there is one (strace). */
export class Worker {
  #child
  #exit

  static async start(id, folder, role = 'both', by = []) {
    const [program, ...args] = [...by, process.execPath, script, id, folder, role]
    const worker = new Worker(
      spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }),
    )
    await worker.#answer()
    return worker
  }

  constructor(child) {
    this.#child = child
    this.#exit = once(child, 'exit')
  }

  /** Has it do something, and answers what that came to. */
  ask(action, options = {}) {
    const answered = this.#answer()
    this.#child.send({ action, ...options })
    return answered
  }

  async stop() {
    const { exitCode, signalCode } = this.#child
    if (exitCode !== null || signalCode !== null) return
    if (this.#child.connected) this.#child.send({ action: 'close' }, () => undefined)
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000)
    await this.#exit
    clearTimeout(timer)
  }

  async #answer() {
    const ended = new AbortController()
    const fail = (why) => () => ended.abort(new Error(`process ${this.#child.pid} ${why}`))
    const onExit = fail('ended')
    this.#child.once('exit', onExit)
    const timer = setTimeout(fail('does not answer'), ANSWER_TIMEOUT_MS)
    try {
      const [{ answer, error }] = await once(this.#child, 'message', { signal: ended.signal })
      if (error !== undefined) throw new Error(error)
      return answer
    } catch (error) {
      throw ended.signal.aborted ? ended.signal.reason : error
    } finally {
      clearTimeout(timer)
      this.#child.off('exit', onExit)
    }
  }
}
