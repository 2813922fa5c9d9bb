// The members as the lab sees them, and whether every promise is kept.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const script = fileURLToPath(new URL('member.mjs', import.meta.url))

/** What was handled: of each key in its order, each item once at least. */
export class Handled {
  /** How many items of each key were handled without a gap. */
  ended = new Map()
  repeats = 0

  hear({ event, key, number }) {
    const before = this.ended.get(key) ?? 0
    if (number > before) throw new Error(`item ${number} of key ${key} ${event}s after ${before}`)
    if (event === 'begin' && number < before) this.repeats++
    if (event === 'end') this.ended.set(key, Math.max(before, number + 1))
  }

  get count() {
    return [...this.ended.values()].reduce((sum, count) => sum + count, 0)
  }
}

/** A member on a host. */
export class Member {
  host
  /** The rings that it says it has. */
  rings = new Set()
  /** What failed, as it said. */
  failures = []
  ended
  #child
  #hear

  /**
   * @param command what its command line begins with, to be on its host
   * @param hear called with all that it says of items, and when it wants a host fenced
   */
  constructor(host, [program, ...args], settings, hear) {
    this.host = host
    this.#hear = hear
    this.#child = spawn(program, [...args, process.execPath, script, JSON.stringify(settings)], {
      stdio: ['ignore', 'pipe', 'inherit', 'ipc'],
      detached: true,
    })
    this.ended = this.#follow()
  }

  /** Has it leave in order. */
  async leave() {
    this.#child.send('leave')
    await this.ended
  }

  async kill() {
    this.#child.kill('SIGKILL')
    await this.ended
  }

  /** The host of this owner can do nothing any more. */
  fenced(owner) {
    this.#child.send({ fenced: owner })
  }

  async #follow() {
    const closed = once(this.#child, 'close')
    for await (const line of createInterface(this.#child.stdout)) {
      const message = JSON.parse(line)
      if (message.event === 'taken') this.rings.add(message.ring)
      else if (message.event === 'released') this.rings.delete(message.ring)
      else if (message.event === 'failed') this.failures.push(message)
      else this.#hear(message, this)
    }
    await closed
    const { exitCode, signalCode } = this.#child
    if (exitCode !== 0 && signalCode !== 'SIGKILL') {
      this.#hear({ event: 'ended', how: exitCode ?? signalCode }, this)
    }
  }
}
