// What make-jobs and do-job write down in the directory of the rings.
import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const DIRECTORY = 'var/lib/jobs'

export class Jobs {
  #machine

  constructor(machine) {
    this.#machine = machine
  }

  #path(name) {
    return join(this.#machine.root, DIRECTORY, name)
  }

  has(name) {
    return existsSync(this.#path(name))
  }

  /** The lines of a file; a missing one has none. */
  lines(name) {
    if (!this.has(name)) return []
    return this.#machine.read(`${DIRECTORY}/${name}`).split('\n').filter(Boolean)
  }

  /** Has do-job do something, from its next job on. */
  order(name, text = '') {
    writeFileSync(this.#path(name), text)
    chmodSync(this.#path(name), 0o666)
  }

  countermand(name) {
    rmSync(this.#path(name))
  }

  /** Waits until more jobs are done. */
  async goOn(more = 10) {
    const before = this.lines('done').length
    const isSo = () => this.lines('done').length >= before + more
    await this.#machine.until(`${more} more jobs are done`, isSo)
  }

  /** A number that the ring counts. */
  async count(metric) {
    const name = `shared_block_ring_${metric}`
    const value = await this.#machine.run(
      `sbr metrics /${DIRECTORY}/jobs.img | sed -n 's/^${name}{.*} //p'`,
    )
    return Number(value)
  }
}
