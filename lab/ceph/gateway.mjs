// What a host has the image from: a qemu-nbd of its own, on a unix socket that only the host's programs are told of.
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { eventually } from '../run.mjs'

const READY_MS = 60_000

export class Gateways {
  #folder
  #processes
  #image
  #source
  #signal

  /** @param source what qemu-nbd is told of where the image is */
  constructor({ folder, processes, image, source, signal }) {
    this.#folder = folder
    this.#processes = processes
    this.#image = image
    this.#source = source
    this.#signal = signal
  }

  uri(host) {
    return `nbd+unix:///${this.#image}?socket=${this.#path(host, 'sock')}`
  }

  async start(host) {
    const name = `nbd-${host}`
    const pidFile = this.#path(host, 'pid')
    const socket = this.#path(host, 'sock')
    rmSync(pidFile, { force: true })
    rmSync(socket, { force: true })
    // `writeback` would answer reads from a memory of its own, though another host has written.
    this.#processes.start(name, host, 'qemu-nbd', [
      ...['--persistent', '--shared=8', '--cache=none', '--discard=unmap'],
      ...[`--export-name=${this.#image}`, `--socket=${socket}`, `--pid-file=${pidFile}`],
      ...this.#source,
    ])
    const isReady = () => {
      this.#processes.check(name)
      return existsSync(pidFile) && readFileSync(pidFile, 'utf8').endsWith('\n')
    }
    await eventually(`${name} listens`, isReady, { withinMs: READY_MS, signal: this.#signal })
  }

  async kill(...hosts) {
    await this.#processes.kill(...hosts.map((host) => `nbd-${host}`))
  }

  #path(host, kind) {
    return join(this.#folder, `nbd-${host}.${kind}`)
  }
}
