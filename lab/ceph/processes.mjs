// The daemons of the lab: started, killed and counted by name.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'

export class Processes {
  #folder
  #network
  #running = new Map()

  /** @param folder where their output goes, a file each */
  constructor(folder, network) {
    this.#folder = folder
    this.#network = network
  }

  /** Starts a program on a host. */
  start(name, host, program, args) {
    const log = openSync(join(this.#folder, `${name}.out`), 'a')
    const [command, ...rest] = [...this.#network.on(host), program, ...args]
    // `ip netns exec` becomes the program, so that the pid is the program's. In a group of its own, no Ctrl-C reaches it
    // before the lab has decided to end.
    const child = spawn(command, rest, { stdio: ['ignore', log, log], detached: true })
    closeSync(log)
    this.#running.set(name, { child, gone: once(child, 'exit') })
  }

  /** Kills processes, and resolves when they are gone. */
  async kill(...names) {
    const found = names.map((name) => this.#running.get(name)).filter(Boolean)
    for (const name of names) this.#running.delete(name)
    for (const { child } of found) child.kill('SIGKILL')
    await Promise.all(found.map(({ gone }) => gone))
  }

  async killAll() {
    await this.kill(...this.#running.keys())
  }

  /** @throws {Error} the process has ended by itself */
  check(name) {
    const { exitCode, signalCode } = this.#running.get(name).child
    if (exitCode !== null || signalCode !== null) {
      throw new Error(`${name} ended by itself (${exitCode ?? signalCode})`)
    }
  }
}
