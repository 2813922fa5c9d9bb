/** What a physical sector contained after a write. */
interface Version {
  readonly write: number
  readonly bytes: Uint8Array
}

/** The disk remembers the offsets of this many writes. */
const LAST_WRITES = 6

/** Options of a {@link SimDisk}. */
export interface SimDiskOptions {
  /** Bytes in a logical sector. */
  readonly sectorSize: number
  readonly sizeSectors: number
  /** The unit that a power cut keeps or loses as a whole, in bytes. Default: the logical sector. */
  readonly physicalSectorSize?: number
}

/** Chooses a number from 0 to `count` - 1. */
export type Choose = (count: number) => number

/** A copy of a disk's content. */
export interface DiskCopy {
  readonly stable: Uint8Array
}

/**
 * A medium behind a volatile cache. Every reader sees the cache; a power cut keeps what is stable, and of the rest any
 * subset of the physical sectors, each in any of the versions that it had since it was last stable.
 */
export class SimDisk {
  readonly sectorSize: number
  readonly sizeSectors: number
  readonly physicalSectorSize: number
  /** Called when the cache loses something. */
  onCacheLost: () => void = () => undefined
  readonly #cache: Uint8Array
  readonly #stable: Uint8Array
  /** The number of the write whose bytes are stable, for each physical sector. */
  readonly #stableWrite: number[]
  readonly #unstable = new Map<number, Version[]>()
  readonly #previous = new Map<number, Uint8Array>()
  /** Writes of each physical sector that the cache lost: those after `from`, up to `to`. */
  readonly #lost = new Map<number, { readonly from: number; readonly to: number }[]>()
  readonly #shown = new Map<number, () => void>()
  readonly #unreadable = new Set<number>()
  #writes = 0
  #written: readonly number[] = [0]

  constructor(options: SimDiskOptions) {
    const { sectorSize, sizeSectors, physicalSectorSize = sectorSize } = options
    this.sectorSize = sectorSize
    this.sizeSectors = sizeSectors
    this.physicalSectorSize = physicalSectorSize
    const count = Math.ceil((sectorSize * sizeSectors) / physicalSectorSize)
    this.#cache = new Uint8Array(count * physicalSectorSize)
    this.#stable = new Uint8Array(count * physicalSectorSize)
    this.#stableWrite = new Array<number>(count).fill(0)
  }

  /** Physical sectors. */
  get physicalSectors(): number {
    return this.#stableWrite.length
  }

  /** The number of the last write. */
  get writes(): number {
    return this.#writes
  }

  /** The offsets of the last writes, in bytes, newest last; never empty. */
  get written(): readonly number[] {
    return this.#written
  }

  /** How many outcomes a power cut could have now. */
  get outcomes(): number {
    let product = 1
    for (const versions of this.#unstable.values()) product *= versions.length + 1
    return product
  }

  /** The visible content, byte for byte: not to be written to. */
  get visible(): Uint8Array {
    return this.#cache
  }

  /** The content of a sector before its last write, if it was written. */
  previous(physical: number): Uint8Array | undefined {
    return this.#previous.get(physical)
  }

  /** True if a run of bytes is readable. */
  readable(offset: number, length: number): boolean {
    if (this.#unreadable.size === 0) return true
    const [first, last] = this.span(offset, length)
    for (let at = first; at <= last; at++) if (this.#unreadable.has(at)) return false
    return true
  }

  /** The physical sectors, first and last, that a run of bytes touches. */
  span(offset: number, length: number): readonly [first: number, last: number] {
    const size = this.physicalSectorSize
    return [Math.floor(offset / size), Math.floor((offset + length - 1) / size)]
  }

  /**
   * Puts bytes into the cache, in the physical sectors that are wanted.
   * @returns the number of the write
   */
  apply(offset: number, data: Uint8Array, wanted?: (physical: number) => boolean): number {
    const write = ++this.#writes
    this.#written = [...this.#written.slice(1 - LAST_WRITES), offset]
    const size = this.physicalSectorSize
    const [first, last] = this.span(offset, data.length)
    for (let at = first; at <= last; at++) {
      if (wanted !== undefined && !wanted(at)) continue
      const start = at * size
      const from = Math.max(offset, start)
      const to = Math.min(offset + data.length, start + size)
      this.#previous.set(at, this.#cache.slice(start, start + size))
      this.#cache.set(data.subarray(from - offset, to - offset), from)
      this.#unreadable.delete(at)
      const version = { write, bytes: this.#cache.slice(start, start + size) }
      const versions = this.#unstable.get(at)
      if (versions === undefined) this.#unstable.set(at, [version])
      else versions.push(version)
    }
    return write
  }

  /**
   * Makes part of a write in flight visible. `seen` is called once they have been read, so that no two reads see the
   * same torn state.
   */
  show(offset: number, bytes: Uint8Array, seen?: () => void): void {
    this.#cache.set(bytes, offset)
    const [first, last] = this.span(offset, bytes.length)
    for (let at = first; at <= last; at++) {
      if (seen === undefined) this.#shown.delete(at)
      else this.#shown.set(at, seen)
    }
  }

  /** A physical sector was read. */
  see(physical: number): void {
    if (this.#shown.size === 0) return
    const seen = this.#shown.get(physical)
    this.#shown.delete(physical)
    seen?.()
  }

  /**
   * Makes a durable write stable whose parts had these numbers. Parts that the cache lost meanwhile are written again.
   */
  makeDurable(offset: number, data: Uint8Array, firstWrite: number, lastWrite: number): void {
    const [first, last] = this.span(offset, data.length)
    for (let at = first; at <= last; at++) {
      const lost = this.#lost.get(at)?.some(({ from, to }) => lastWrite > from && firstWrite <= to)
      const write = lost ? this.apply(offset, data, (physical) => physical === at) : lastWrite
      this.#makeSectorDurable(at, write)
    }
  }

  /** Makes everything stable up to a write. */
  flush(upTo: number): void {
    for (const at of [...this.#unstable.keys()]) this.#makeSectorDurable(at, upTo)
  }

  /**
   * A flush that fails: each sector is stable afterwards, or still in the cache, or lost from it.
   * @returns whether any is lost
   */
  failFlush(choose: Choose): boolean {
    let lost = false
    for (const at of [...this.#unstable.keys()]) {
      const outcome = choose(3)
      if (outcome === 0) this.#makeSectorDurable(at, this.#writes)
      else if (outcome === 1) {
        this.#drop(at)
        lost = true
      }
    }
    if (lost) this.onCacheLost()
    return lost
  }

  /** A power cut: for each unstable sector, chooses the stable bytes (0) or one of the later versions. */
  cut(choose: Choose): void {
    for (const [at, versions] of this.#unstable) {
      const kept = versions[choose(versions.length + 1) - 1]
      if (kept !== undefined) {
        this.#stable.set(kept.bytes, at * this.physicalSectorSize)
        this.#stableWrite[at] = kept.write
      }
      this.#lose(at)
    }
    this.#unstable.clear()
    this.#cache.set(this.#stable)
    this.onCacheLost()
  }

  /**
   * The storage loses its cache.
   * @returns whether that lost anything
   */
  reset(choose: Choose): boolean {
    const before = this.#cache.slice()
    this.cut(choose)
    return !equal(before, this.#cache)
  }

  /** Flips a bit. */
  rot(offset: number, bit: number): void {
    const flip = 1 << bit
    this.#stable[offset] = (this.#stable[offset] ?? 0) ^ flip
    this.#cache[offset] = (this.#cache[offset] ?? 0) ^ flip
    for (const { bytes } of this.#unstable.get(this.span(offset, 1)[0]) ?? []) {
      const at = offset % this.physicalSectorSize
      bytes[at] = (bytes[at] ?? 0) ^ flip
    }
  }

  /** Makes a physical sector unreadable until it is written. */
  spoil(physical: number): void {
    this.#unreadable.add(physical)
  }

  /** A copy of what is stable. */
  copy(): DiskCopy {
    return { stable: this.#stable.slice() }
  }

  /** Restores a copy. */
  rollback(copy: DiskCopy): void {
    this.#unstable.clear()
    this.#stable.set(copy.stable)
    this.#cache.set(copy.stable)
  }

  #makeSectorDurable(at: number, upTo: number): void {
    const versions = this.#unstable.get(at)
    if (versions === undefined) return
    let count = 0
    while (count < versions.length && (versions[count] as Version).write <= upTo) count++
    const last = versions[count - 1]
    if (last === undefined) return
    this.#stable.set(last.bytes, at * this.physicalSectorSize)
    this.#stableWrite[at] = last.write
    if (count === versions.length) this.#unstable.delete(at)
    else versions.splice(0, count)
  }

  #lose(at: number): void {
    const range = { from: this.#stableWrite[at] ?? 0, to: this.#writes }
    this.#lost.set(at, [...(this.#lost.get(at) ?? []), range])
  }

  #drop(at: number): void {
    this.#unstable.delete(at)
    this.#lose(at)
    const start = at * this.physicalSectorSize
    this.#cache.set(this.#stable.subarray(start, start + this.physicalSectorSize), start)
  }
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  for (let at = 0; at < left.length; at++) if (left[at] !== right[at]) return false
  return true
}
