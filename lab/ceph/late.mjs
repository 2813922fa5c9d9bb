// A write that is under way while its host is cut off, and what becomes of it once the host is fenced and back.
import { setTimeout as sleep } from 'node:timers/promises'
import { eventually } from '../run.mjs'
import { codesOf } from './codes.mjs'
import { onImage } from './image.mjs'
import { NbdBlockDevice } from './package.mjs'

const UNDER_WAY_MS = 1000
/** For connections to come back after the cable is in again, with pauses that grow. */
const BACK_MS = 120_000

/** Writes to a block that is no part of the ring, from any host. */
export class LateWrite {
  #gateways
  #at
  #signal
  #device
  /** What the write came to: codes of its error, or `done`. */
  #outcome

  /** @param at the block's first byte on the image */
  constructor({ gateways, at, signal }) {
    this.#gateways = gateways
    this.#at = at
    this.#signal = signal
  }

  /** While the host is well: so that its connections to the cluster are made. */
  async prepare(host) {
    const options = { requestTimeoutMs: BACK_MS }
    this.#device = await NbdBlockDevice.open(this.#gateways.uri(host), options)
    await this.#write(this.#device, 'before')
  }

  /** Once the host is cut off. */
  async begin() {
    this.#write(this.#device, 'late').then(
      () => {
        this.#outcome = ['done']
      },
      (error) => {
        this.#outcome = codesOf(error)
      },
    )
    await sleep(UNDER_WAY_MS, undefined, { signal: this.#signal })
    if (this.#outcome !== undefined) throw new Error(`the write ended at once: ${this.#outcome}`)
  }

  /** Writes the block on another host. */
  async overwrite(host) {
    await onImage(this.#gateways.uri(host), (device) => this.#write(device, 'after'))
  }

  /** Once the host is back: waits for the outcome, and reads the block on another host. */
  async verdict(host) {
    const isThere = () => this.#outcome !== undefined
    const options = { withinMs: BACK_MS, signal: this.#signal }
    await eventually('the late write comes to an end', isThere, options)
    const holds = await onImage(this.#gateways.uri(host), (device) => this.#read(device))
    return { codes: this.#outcome, holds }
  }

  async close() {
    await this.#device?.disconnect()
  }

  async #write(device, text) {
    const buffer = device.allocate(4096)
    buffer.set(new TextEncoder().encode(text))
    await device.write(await this.#sector(device), [buffer], { durable: true })
  }

  async #read(device) {
    const buffer = device.allocate(4096)
    await device.read(await this.#sector(device), [buffer])
    return new TextDecoder().decode(buffer.subarray(0, buffer.indexOf(0)))
  }

  async #sector(device) {
    return this.#at / (await device.getInfo()).sectorSize
  }
}
