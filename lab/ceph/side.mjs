// One life of a side, as the lab sees it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

export class Side {
  role
  host
  /** Resolves with what its `failed` said, or undefined, when it has ended and all that it said was heard. */
  ended
  #child

  /** @param command what its command line begins with, to be on its host */
  constructor(role, host, [program, ...args], settings, hear) {
    this.role = role
    this.host = host
    const script = fileURLToPath(new URL(`${role}.mjs`, import.meta.url))
    this.#child = spawn(
      program,
      [...args, process.execPath, script, JSON.stringify(settings)],
      // In a group of its own, so that it ends when the lab decides so.
      { stdio: ['ignore', 'pipe', 'inherit', 'ipc'], detached: true },
    )
    this.ended = this.#follow(hear)
  }

  /** Lets a producer go on to an item. */
  allow(limit) {
    // One that has just been killed does not mind.
    this.#child.send({ limit }, () => undefined)
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  async #follow(hear) {
    const closed = once(this.#child, 'close')
    let failed
    for await (const line of createInterface(this.#child.stdout)) {
      const message = JSON.parse(line)
      if (message.event === 'failed') failed = message
      else hear(message)
    }
    await closed
    const { exitCode, signalCode } = this.#child
    if (exitCode !== 0 && failed === undefined && signalCode !== 'SIGKILL') {
      return { codes: [], message: `ended with ${exitCode ?? signalCode}` }
    }
    return failed
  }
}
