import { Violation } from '../runs/violation.ts'

/** What a write left in a sector: a pattern of its own, zeroes, or anything. */
export type Filling = 'pattern' | 'zeroes' | 'undefined'

interface Version {
  readonly number: number
  readonly filling: Filling
  /** The handle that wrote it. */
  readonly handle: unknown
  acknowledged: boolean
  /** True if it failed, and so may land at any time. */
  haunts: boolean
}

interface Sector {
  /** In the order of writing. The first one is on stable storage; all before it are gone. */
  versions: Version[]
  /** Of those, the first that may be visible, if the cache was not lost. */
  seen: number
}

/** A write to some sectors. */
export interface SectorWrite {
  readonly sector: number
  readonly sectors: number
  readonly number: number
  /** How often the device had lost its cache when it began. */
  readonly losses: number
}

/** A flush that was begun. */
export interface Flushing {
  readonly handle: unknown
  /** The number of the version that it covers, for each sector. */
  readonly numbers: readonly number[]
  /** How often the device had lost its cache. */
  readonly losses: number
}

/**
 * Tracks writes to sectors that only one program writes to, and so what they may contain: if the device lost its cache,
 * the stable version or any later one; else the last acknowledged one or a later one.
 */
export class SectorOracle {
  readonly #sectorSize: number
  readonly #sectors: Sector[]
  readonly #late: boolean
  #writes = 0
  #losses = 0

  /** `late`: a write that failed may land at any time, even after later ones. */
  constructor(sectors: number, sectorSize: number, late: boolean) {
    this.#sectorSize = sectorSize
    this.#late = late
    this.#sectors = Array.from({ length: sectors }, () => ({
      versions: [
        { number: 0, filling: 'zeroes', handle: undefined, acknowledged: true, haunts: false },
      ],
      seen: 0,
    }))
  }

  /** A write begins, through a handle. */
  writing(handle: unknown, sector: number, sectors: number, filling: Filling): SectorWrite {
    const number = ++this.#writes
    for (const each of this.#run(sector, sectors)) {
      each.versions.push({ number, filling, handle, acknowledged: false, haunts: false })
    }
    return { sector, sectors, number, losses: this.#losses }
  }

  /** What a write leaves in its sectors. */
  bytesOf({ sector, sectors, number }: SectorWrite): Uint8Array {
    const bytes = new Uint8Array(sectors * this.#sectorSize)
    for (let at = 0; at < sectors; at++) {
      pattern(
        bytes.subarray(at * this.#sectorSize, (at + 1) * this.#sectorSize),
        sector + at,
        number,
      )
    }
    return bytes
  }

  /** It was acknowledged. */
  wrote({ sector, sectors, number, losses }: SectorWrite, durable: boolean): void {
    for (const each of this.#run(sector, sectors)) {
      const at = each.versions.findIndex((version) => version.number === number)
      // Something newer may be stable already.
      if (at < 0) continue
      const version = each.versions[at] as Version
      version.acknowledged = true
      // A write that was lost on the way is acknowledged all the same.
      if (losses === this.#losses) each.seen = Math.max(each.seen, at)
      if (durable) makeDurable(each, at)
    }
  }

  /** It failed: it happened, or part of it, or nothing. */
  failed({ sector, sectors, number }: SectorWrite): void {
    if (!this.#late) return
    for (const { versions } of this.#run(sector, sectors)) {
      const version = versions.find((each) => each.number === number)
      if (version !== undefined) version.haunts = true
    }
  }

  /**
   * A flush begins, through a handle. It covers what that handle has written, even if the cache is lost by now, and
   * everything that is visible.
   */
  flushing(handle: unknown): Flushing {
    const numbers = this.#sectors.map(({ versions, seen }) => {
      const last = versions.findLast((version) => version.acknowledged)
      const own = last !== undefined && last.handle === handle
      return (own ? last : (versions[seen] as Version)).number
    })
    return { handle, numbers, losses: this.#losses }
  }

  /**
   * It was acknowledged. Writes through another handle may have been lost on the way: a flush covers only those of its
   * own handle.
   */
  flushed({ handle, numbers, losses }: Flushing): void {
    numbers.forEach((number, sector) => {
      const each = this.#sectors[sector] as Sector
      const at = each.versions.findIndex((version) => version.number === number)
      if (at > 0 && (losses === this.#losses || each.versions[at]?.handle === handle)) {
        makeDurable(each, at)
      }
    })
  }

  /** The device lost what was not stable. */
  cacheLost(): void {
    this.#losses++
    for (const each of this.#sectors) each.seen = 0
  }

  /**
   * Sectors were read.
   * @throws {Violation} with impossible content
   */
  read(sector: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at += this.#sectorSize) {
      this.#check(sector + at / this.#sectorSize, bytes.subarray(at, at + this.#sectorSize))
    }
  }

  #check(sector: number, bytes: Uint8Array): void {
    const { versions, seen } = this.#sectors[sector] as Sector
    const possible = versions.filter(({ haunts }, at) => at >= seen || haunts)
    if (possible.some((version) => holds(bytes, sector, version))) return
    const older = versions.find((version) => holds(bytes, sector, version))
    const expected = possible.map(({ number }) => number).join(' or ')
    const found = older === undefined ? 'none of its writes' : `write ${older.number}`
    throw new Violation('sector', `sector ${sector} holds ${found}, not ${expected}`)
  }

  #run(sector: number, sectors: number): readonly Sector[] {
    return this.#sectors.slice(sector, sector + sectors)
  }
}

/** From now on a version is stable, and those before it are gone. */
function makeDurable(sector: Sector, at: number): void {
  const haunting = sector.versions.slice(0, at).filter(({ haunts }) => haunts)
  sector.versions = [...sector.versions.slice(at), ...haunting]
  sector.seen = Math.max(0, sector.seen - at)
}

function holds(bytes: Uint8Array, sector: number, { number, filling }: Version): boolean {
  if (filling === 'undefined') return true
  if (filling === 'zeroes') return bytes.every((byte) => byte === 0)
  const expected = new Uint8Array(bytes.length)
  pattern(expected, sector, number)
  return expected.every((byte, at) => byte === bytes[at])
}

function pattern(bytes: Uint8Array, sector: number, number: number): void {
  let state = Math.imul(number, 0x9e3779b9) ^ Math.imul(sector + 1, 0x85ebca6b)
  for (let at = 0; at < bytes.length; at++) {
    state = (Math.imul(state, 0x915f77f5) + 0x3c6ef372) | 0
    bytes[at] = state >>> 24
  }
}
