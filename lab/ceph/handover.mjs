// Items on their way from a producer on one host to a consumer on another, and whether every promise is kept meanwhile.
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../run.mjs'
import { Ledger } from './ledger.mjs'
import { addressOf } from './network.mjs'
import { Pauses } from './pauses.mjs'
import { Side } from './side.mjs'

/** A fault is over by then, or it never will be. */
const FAULT_OVER_MS = 120_000
/** A side that keeps failing is no pause. */
const MAX_FAILURES = 20
/** How long the items last that are let through while something happens, and how often some of them are. */
const DRIP_MS = 30_000
const DRIP_STEP_MS = 50

export class Handover {
  /** What sides said as they ended by themselves. */
  failures = []
  #network
  #gateways
  #settings
  #signal
  #recover
  #ledger = new Ledger()
  #pauses = new Pauses()
  /** The side of each role that is started again when it fails, and the one that was attached last. */
  #sides = {}
  #holders = {}
  #lives = 0
  #limit = 0
  #delivered = 0
  #broken

  /** @param recover called when a side has ended by itself, before it is started again */
  constructor({ network, gateways, settings, signal, recover }) {
    this.#network = network
    this.#gateways = gateways
    this.#settings = settings
    this.#signal = signal
    this.#recover = recover
  }

  /** The host whose side attached last. */
  hostOf(role) {
    return this.#holders[role]?.host
  }

  get repeats() {
    return this.#ledger.repeats
  }

  /** Starts a side on a host, and starts it again there whenever it ends with a failure. */
  start(role, host) {
    if (role === 'producer') this.#ledger.betweenProducers()
    const uri = this.#gateways.uri(host)
    // Port and nonce 0 stand for all clients at an address.
    const owner = `${addressOf(host)}:0/0`
    const settings = { ...this.#settings, uri, owner, life: this.#lives++ }
    const side = new Side(role, host, this.#network.on(host), settings, (message) => {
      this.#hear(side, message)
    })
    this.#sides[role] = side
    if (role === 'producer') side.allow(this.#limit)
    void this.#follow(side)
  }

  /** Leaves a side alone: it is not started again. What it says counts until another one has its role. */
  abandon(role) {
    const side = this.#sides[role]
    delete this.#sides[role]
    return side
  }

  /** Kills both sides. */
  async kill() {
    const sides = Object.keys(this.#sides).map((role) => this.abandon(role))
    await Promise.all(sides.map((side) => side.kill()))
  }

  /**
   * Hands over all items before `limit`: half of them first; while `happen` does what it does, one after the other, so that
   * there is always something under way; and then the rest. Answers the longest pauses since `happen` began.
   */
  async chapter(limit, happen) {
    const half = Math.floor((this.#limit + limit) / 2)
    this.#allow(half)
    await this.#through(half)
    this.#pauses.begin()
    const happened = new AbortController()
    const dripping = this.#drip(limit, happened.signal)
    try {
      await happen()
    } finally {
      happened.abort()
      await dripping
    }
    this.#allow(limit)
    await this.#through(limit)
    return this.#pauses.longest
  }

  /** Waits for something, unless a guarantee is violated before. */
  async until(what, isSo) {
    const check = () => this.#broken !== undefined || isSo()
    const options = { withinMs: FAULT_OVER_MS, everyMs: 10, signal: this.#signal }
    await eventually(what, check, options)
    if (this.#broken !== undefined) throw this.#broken
  }

  /** Waits until both sides have ended, with all items through. */
  async end(count) {
    const sides = Object.values(this.#sides)
    await Promise.all(sides.map(({ ended }) => ended))
    if (this.#broken !== undefined) throw this.#broken
    this.#ledger.end(count)
  }

  #through(limit) {
    return this.until(`item ${limit - 1} is acknowledged and delivered`, () => {
      return this.#ledger.pushed >= limit && this.#delivered >= limit
    })
  }

  #allow(limit) {
    this.#limit = limit
    this.#sides.producer?.allow(limit)
  }

  async #drip(limit, happened) {
    const from = this.#limit
    const begun = performance.now()
    while (!happened.aborted) {
      const part = Math.min(1, (performance.now() - begun) / DRIP_MS)
      this.#allow(from + Math.floor((limit - from) * part))
      await sleep(DRIP_STEP_MS)
    }
  }

  #hear(side, message) {
    const { role, host } = side
    try {
      if (message.event === 'start') this.#holders[role] = side
      if (this.#holders[role] !== side) {
        throw new Error(`is at work, but ${this.#holders[role]?.host} has its role`)
      }
      this.#ledger[role](message)
      if (message.event === 'delivered') this.#delivered = message.next
      if (message.event === 'done') this.#pauses.acknowledged(role)
    } catch (error) {
      this.#broken ??= new Error(`${role} on ${host}: ${error.message}`, { cause: error })
    }
  }

  async #follow(side) {
    try {
      const failed = await side.ended
      if (failed === undefined || side !== this.#sides[side.role]) return
      const { role, host } = side
      this.failures.push({ role, host, ...failed })
      if (this.failures.length > MAX_FAILURES) throw new Error(failed.message)
      await this.#recover({ role, host, ...failed })
      if (side === this.#sides[role]) this.start(role, host)
    } catch (error) {
      this.#broken ??= error
    }
  }
}
