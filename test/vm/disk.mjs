import { RING_SECTORS, SECTOR } from './marks.mjs'

/** What of the unflushed writes a power cut keeps. */
export const KEEPS = ['nothing', 'everything', 'some sectors']

/**
 * The ring's part of a disk, as its record is gone through. A flush makes stable what was written before it; of the
 * later writes, a power cut keeps what it likes. A disk that lies needs a second flush for that.
 */
export class RecordedDisk {
  #stable = Buffer.alloc(RING_SECTORS * SECTOR)
  /** What each sector was given since it was last stable, oldest first, and how many flushes there were before. */
  #unstable = new Map()
  #flushes = 0
  #flushesNeeded

  constructor({ lies = false } = {}) {
    this.#flushesNeeded = lies ? 2 : 1
  }

  /** How many sectors a power cut may take back. */
  get unstable() {
    return this.#unstable.size
  }

  /** Follows an entry of the record. */
  apply({ sector, bytes, flush }) {
    const ring = bytes.subarray(0, Math.max(0, RING_SECTORS - sector) * SECTOR)
    for (let at = 0; at < ring.length; at += SECTOR) {
      this.#put(sector + at / SECTOR, ring.subarray(at, at + SECTOR))
    }
    if (flush) this.#flush()
  }

  #put(sector, bytes) {
    const version = { bytes, flushes: this.#flushes }
    const versions = this.#unstable.get(sector)
    if (versions === undefined) this.#unstable.set(sector, [version])
    else versions.push(version)
  }

  #flush() {
    this.#flushes++
    for (const [sector, versions] of this.#unstable) {
      const settled = versions.filter(
        ({ flushes }) => this.#flushes - flushes >= this.#flushesNeeded,
      )
      versions.splice(0, settled.length)
      if (settled.length > 0) this.#stable.set(settled.at(-1).bytes, sector * SECTOR)
      if (versions.length === 0) this.#unstable.delete(sector)
    }
  }

  /** What the medium holds after a power cut now. Sectors are kept or lost one by one, each in any of its versions. */
  cut(keep, random) {
    const medium = Buffer.from(this.#stable)
    for (const [sector, versions] of this.#unstable) {
      const kept = {
        nothing: () => undefined,
        everything: () => versions.at(-1),
        'some sectors': () => versions[random(versions.length + 1)],
      }[keep]()
      if (kept !== undefined) medium.set(kept.bytes, sector * SECTOR)
    }
    return medium
  }
}
