import { Agent, get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'

const REQUEST_MS = 1
/** A server that is so far behind is asked no more until it has answered some. */
const MOST_WAITING = 64

/** Asks a server at fixed intervals, also while earlier answers are waited for, and notes how many milliseconds each takes. */
export class Requests {
  #times = []
  #waiting = 0
  #going = true
  #done
  #agent = new Agent({ keepAlive: true, maxSockets: MOST_WAITING })

  constructor(port) {
    this.#done = this.#run(port)
  }

  async #run(port) {
    for (let at = performance.now(); this.#going; at += REQUEST_MS) {
      const wait = at - performance.now()
      if (wait > 0) await sleep(wait)
      if (this.#waiting < MOST_WAITING) this.#ask(port)
    }
  }

  #ask(port) {
    const began = performance.now()
    this.#waiting++
    get({ port, host: '127.0.0.1', agent: this.#agent }, (response) => {
      response.resume().once('end', () => this.#times.push(performance.now() - began))
    })
      .on('error', () => undefined)
      .once('close', () => this.#waiting--)
  }

  async stop() {
    this.#going = false
    await this.#done
    this.#agent.destroy()
    return this.#times
  }
}
