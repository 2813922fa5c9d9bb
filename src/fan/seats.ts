import type { BlockClaim, BlockDevice } from '../block/device.ts'
import { isBlockError } from '../errors.ts'
import { keptKeyOf } from '../ring/shared/key.ts'

/** The most members of a group on one machine: each check asks for every seat. */
export const SEATS = 32

/** The members of a group, as one of them sees it. */
export interface Seating {
  readonly members: number
  /** The number of members that have a seat before this one's. */
  readonly rank: number
}

/**
 * Shows the members of a group to each other: each claims a seat, which the kernel releases when its process ends.
 * Seats only decide how rings are divided; the claim on a ring's own role ensures that it has one consumer.
 */
export class Seats {
  readonly #device: BlockDevice
  readonly #holder: string
  readonly #key: ReturnType<typeof keptKeyOf>
  #own: { readonly number: number; readonly claim: BlockClaim } | undefined

  /** @param device the first ring of the group, which all members know */
  constructor(device: BlockDevice, holder: string) {
    this.#device = device
    this.#holder = holder
    this.#key = keptKeyOf(device)
  }

  /**
   * Takes the first free seat.
   * @throws {RangeError} there is none
   * @throws {BlockError} `BLOCK_UNSUPPORTED`, and as `BlockDevice.claim`
   */
  async take(): Promise<void> {
    for (let number = 0; number < SEATS; number++) {
      const claim = await this.#claim(number)
      if (claim === undefined) continue
      this.#own = { number, claim }
      return
    }
    throw new RangeError(`a group has at most ${SEATS} members, and ${this.#device.name} has these`)
  }

  /** Counts the members. Asks all seats in parallel, because a stalled member takes a second to time out. */
  async count(): Promise<Seating> {
    const own = this.#own?.number
    const numbers = Array.from({ length: SEATS }, (_, number) => number)
    const taken = await Promise.all(
      numbers.map(async (number) => number === own || (await this.#isTaken(number))),
    )
    const members = taken.filter(Boolean).length
    const rank = taken.slice(0, own ?? SEATS).filter(Boolean).length
    return { members, rank }
  }

  /** Releases the seat. Never fails. */
  async leave(): Promise<void> {
    await this.#own?.claim.release()
    this.#own = undefined
  }

  async #claim(number: number): Promise<BlockClaim | undefined> {
    try {
      return await this.#device.claim(roleOf(number), { holder: this.#holder, key: this.#key })
    } catch (error) {
      if (isBlockError(error) && error.code === 'BLOCK_CLAIMED') return undefined
      throw error
    }
  }

  async #isTaken(number: number): Promise<boolean> {
    return (await this.#device.holderOf(roleOf(number), { key: this.#key })) !== undefined
  }
}

function roleOf(number: number): string {
  return `group-seat-${number}`
}
