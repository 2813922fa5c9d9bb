import { BlockError } from '../../errors.ts'
import type { InFlight, SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { World } from './world.ts'

/** Ends a request, for its process. Returns whether that is still alive. */
export type RequestEnd = (error?: BlockError) => boolean

/** Where a half written sector is cut, in bytes. */
const TEARS = [1, 2, 9, 64, 128, 256]
/** How much later a dead process's write may land, in milliseconds. */
const LATE_MS = 100

/**
 * The part of requests that take long. It is larger for those that wait for the medium, so that other processes see
 * data that may be lost.
 */
const LONG = 0.05
const LONG_DURABLE = 0.3

/** How soon a write that waits long for the medium becomes visible, as a part of its usual time. */
const SEEN_EARLY = 0.1

/**
 * A request in flight: a name, a duration, and an end. Its name (role, step, request) selects its random stream, so a
 * run that leaves another request out draws the same for this one.
 *
 * A write passes three points in time: it becomes visible (in the cache), in one go or in halves; stable, if it is
 * durable; and it is acknowledged. Kills and power cuts come between any of them, and a process that is gone hears of
 * nothing. A read sees each half of its sectors at a moment of its own.
 */
abstract class Request implements InFlight {
  readonly name: string
  /** Its duration: mostly about a millisecond, sometimes long. */
  readonly ms: number
  protected readonly isLong: boolean
  protected readonly world: World
  protected readonly process: SimProcess
  protected readonly random: Random
  readonly #end: RequestEnd
  protected ended = false

  constructor(
    world: World,
    process: SimProcess,
    name: string,
    random: Random,
    end: RequestEnd,
    longShare: number = LONG,
  ) {
    this.world = world
    this.process = process
    this.name = name
    this.random = random
    this.#end = end
    const float = random.float()
    this.isLong = random.chance(longShare)
    this.ms = 0.05 - Math.log(1 - float) * (this.isLong ? 15 : 0.6)
  }

  /** Does something after a part of the time. */
  protected after(part: number, act: () => void): void {
    this.world.scheduler.after(this.ms * part, () => {
      if (!this.ended) act()
      return false
    })
  }

  /** Ends the request when its time is over, with the error that `failure` returns then, if any. */
  protected finish(failure: () => string | undefined): void {
    this.world.scheduler.after(this.ms, () => {
      if (this.ended) return false
      this.ended = true
      const what = failure()
      this.world.trace(() => `${this.name} ${this.describe()}: ${what ?? 'done'}`)
      if (what === undefined) return this.#end()
      return this.#end(new BlockError('BLOCK_IO', `injected: ${what}`, { device: 'sim' }))
    })
  }

  orphan(_random: Random, _late: boolean): void {
    this.ended = true
  }

  interrupt(_random: Random): void {
    this.ended = true
  }

  protected abstract describe(): string
}

function lengthOf(buffers: readonly Uint8Array[]): number {
  let bytes = 0
  for (const buffer of buffers) bytes += buffer.length
  return bytes
}

/** Another offset on the disk, aligned as before. */
function elsewhere(world: World, offset: number, length: number, random: Random): number {
  const { sectorSize, sizeSectors } = world.disk
  const sectors = sizeSectors - length / sectorSize
  const elsewhere = random.below(Math.max(1, sectors)) * sectorSize
  return elsewhere === offset && sectors > 0
    ? offset + (offset === 0 ? sectorSize : -sectorSize)
    : elsewhere
}

/** Reads what is visible, each half of the sectors at a moment of its own. */
export class ReadRequest extends Request {
  readonly #offset: number
  readonly #length: number
  readonly #buffers: readonly Uint8Array[]
  #failure: string | undefined

  constructor(
    world: World,
    process: SimProcess,
    name: string,
    random: Random,
    end: RequestEnd,
    offset: number,
    buffers: readonly Uint8Array[],
  ) {
    super(world, process, name, random, end)
    this.#length = lengthOf(buffers)
    this.#buffers = buffers
    const torn = random.float() < 0.3
    const [early, late] = [random.float(), random.float()]
    const fails = world.draws('readError', name, random)
    const astray = world.draws('misdirectedRead', name, random)
    const stale = world.draws('staleRead', name, random)
    const cached = world.draws('stalePage', name, random)
    this.#offset = astray ? elsewhere(world, offset, this.#length, random) : offset
    if (fails) world.count('readError')
    if (astray) world.count('misdirectedRead')
    const salt = random.next()
    if (torn)
      this.after(Math.min(early, late), () => this.#fill((at) => ((salt >>> (at & 31)) & 1) === 0))
    this.after(Math.max(early, late), () => {
      this.#fill((at) => !torn || ((salt >>> (at & 31)) & 1) === 1)
      if (stale) this.#fillStale(random)
      if (cached) this.#fillPages(random)
      else this.#keepPages()
      const bad = !world.disk.readable(this.#offset, this.#length)
      const error = fails ? 'a read fails' : bad ? 'a sector cannot be read' : undefined
      if (error !== undefined) this.#buffers.at(-1)?.fill(0xee)
      this.#failure = error
    })
    this.finish(() => this.#failure)
  }

  #fill(wanted: (physical: number) => boolean): void {
    const { disk } = this.world
    const [first, last] = disk.span(this.#offset, this.#length)
    for (let at = first; at <= last; at++) {
      if (!wanted(at)) continue
      this.#put(at, disk.visible, at * disk.physicalSectorSize)
      disk.see(at)
    }
  }

  #fillStale(random: Random): void {
    const { disk } = this.world
    const [first, last] = disk.span(this.#offset, this.#length)
    const at = random.between(first, last)
    const previous = disk.previous(at)
    if (previous === undefined) return
    this.world.count('staleRead')
    this.#put(at, previous, 0)
  }

  #fillPages(random: Random): void {
    const { disk } = this.world
    const [first, last] = disk.span(this.#offset, this.#length)
    for (let at = first; at <= last; at++) {
      const page = this.process.host.pages.get(at)
      if (page === undefined || random.chance(0.5)) continue
      this.world.count('stalePage')
      this.#put(at, page, 0)
    }
  }

  #keepPages(): void {
    if (!this.world.enabled('stalePage')) return
    const { disk } = this.world
    const size = disk.physicalSectorSize
    const [first, last] = disk.span(this.#offset, this.#length)
    for (let at = first; at <= last; at++) {
      this.process.host.pages.set(at, disk.visible.slice(at * size, (at + 1) * size))
    }
  }

  /** Copies a physical sector into the buffers, from `source` at `sourceAt`. */
  #put(physical: number, source: Uint8Array, sourceAt: number): void {
    const size = this.world.disk.physicalSectorSize
    const start = physical * size - this.#offset
    let bufferAt = 0
    for (const buffer of this.#buffers) {
      const from = Math.max(start, bufferAt)
      const to = Math.min(start + size, bufferAt + buffer.length)
      if (from < to) {
        const at = sourceAt + from - start
        buffer.set(source.subarray(at, at + to - from), from - bufferAt)
      }
      bufferAt += buffer.length
    }
  }

  protected describe(): string {
    const { sectorSize } = this.world.disk
    return `read ${this.#offset / sectorSize}+${this.#length / sectorSize}`
  }
}

/** Writes: first visible, in one go or in two; then stable, if it is durable; then acknowledged. */
export class WriteRequest extends Request {
  readonly #offset: number
  readonly #data: Uint8Array
  readonly #buffers: readonly Uint8Array[]
  readonly #durable: boolean
  #firstWrite = 0
  #lastWrite = 0
  #applied: 'no' | 'part' | 'yes' = 'no'
  #durableNow = false
  #salt = 0
  /** What a half written sector contained before. */
  #torn: { readonly offset: number; readonly at: number; readonly before: Uint8Array } | undefined

  constructor(
    world: World,
    process: SimProcess,
    name: string,
    random: Random,
    end: RequestEnd,
    offset: number,
    buffers: readonly Uint8Array[],
    durable: boolean,
  ) {
    super(world, process, name, random, end, durable ? LONG_DURABLE : LONG)
    this.#buffers = buffers
    this.#durable = durable
    this.#data = concat(buffers)
    const split = random.float() < 0.4
    const times = [random.float(), random.float(), random.float()].sort((a, b) => a - b)
    const soon = durable && this.isLong ? SEEN_EARLY : 1
    const [early = 0, middle = 0] = times.map((time) => time * soon)
    const late = times[2] ?? 1
    this.#salt = random.next()
    const fails = world.draws('writeError', name, random)
    const lost = world.draws('lostWrite', name, random)
    const astray = world.draws('misdirectedWrite', name, random)
    const tears = world.draws('tornRead', name, random)
    const failure = random.below(3)
    this.#offset = astray ? elsewhere(world, offset, this.#data.length, random) : offset
    if (astray) world.count('misdirectedWrite')
    if (fails) world.count('writeError')
    else if (lost) world.count('lostWrite')
    const happens = !lost && !(fails && failure === 0)
    if (happens && split) this.after(early, () => this.#applyPart())
    if (happens && tears) this.after(early, () => this.#tear())
    if (happens && !(fails && failure === 1)) this.after(middle, () => this.#applyRest())
    if (happens && !fails && durable) this.after(late, () => this.#makeDurable())
    if (fails) this.after(1, () => this.#untear())
    this.finish(() => {
      this.#checkUntouched()
      return fails ? 'a write fails' : undefined
    })
  }

  override orphan(random: Random, late: boolean): void {
    const outcome = random.below(4)
    if (late && outcome > 0) {
      this.#landLate(random)
      return
    }
    this.ended = true
    this.#untear()
    if (outcome === 1) this.#applyPart()
    if (outcome >= 2) this.#applyRest()
    if (outcome === 3 && this.#durable) this.#makeDurable()
  }

  override interrupt(random: Random): void {
    this.ended = true
    this.#untear()
    if (random.chance(0.7)) this.#applyRest()
  }

  #landLate(random: Random): void {
    const part = random.chance(0.3)
    this.ended = true
    this.#untear()
    this.world.scheduler.after(random.float() * LATE_MS, () => {
      if (this.#applied === 'yes' || this.world.healed) return false
      this.world.count('lateWrite')
      this.world.trace(() => `${this.name} ${this.describe()}: lands late`)
      if (part) this.#applyPart()
      else this.#applyRest()
      return false
    })
  }

  #wants(physical: number): boolean {
    return ((this.#salt >>> (physical & 31)) & 1) === 0
  }

  #applyPart(): void {
    if (this.#applied !== 'no') return
    this.#applied = 'part'
    this.#untear()
    this.#firstWrite = this.world.disk.writes + 1
    this.#lastWrite = this.world.disk.apply(this.#offset, this.#data, (at) => this.#wants(at))
  }

  #applyRest(): void {
    if (this.#applied === 'yes') return
    this.#untear()
    const { disk } = this.world
    if (this.#applied === 'no') this.#firstWrite = disk.writes + 1
    this.#lastWrite =
      this.#applied === 'no'
        ? disk.apply(this.#offset, this.#data)
        : disk.apply(this.#offset, this.#data, (at) => !this.#wants(at))
    this.#applied = 'yes'
    this.#keepPages()
  }

  #makeDurable(): void {
    if (this.#applied === 'yes' && !this.#durableNow) {
      this.#durableNow = true
      this.world.disk.makeDurable(this.#offset, this.#data, this.#firstWrite, this.#lastWrite)
    }
  }

  /** Makes part of one sector visible, cut at an offset where no structure ends. */
  #tear(): void {
    const { disk } = this.world
    if (this.#applied !== 'no' || disk.physicalSectorSize > disk.sectorSize) return
    const sectors = this.#data.length / disk.sectorSize
    const at = (this.#salt % sectors) * disk.sectorSize
    const bytes = TEARS[(this.#salt >>> 8) % TEARS.length] as number
    const offset = this.#offset + at
    this.world.count('tornRead')
    this.#torn = { offset, at, before: disk.visible.slice(offset, offset + bytes) }
    disk.show(offset, this.#data.subarray(at, at + bytes), () => this.#applyRest())
  }

  #untear(): void {
    if (this.#torn === undefined) return
    const { offset, at, before } = this.#torn
    const { disk } = this.world
    // Unless a power cut or a failed flush changed it meanwhile.
    const shown = before.every(
      (_, index) => disk.visible[offset + index] === this.#data[at + index],
    )
    if (shown) disk.show(offset, before)
    this.#torn = undefined
  }

  #keepPages(): void {
    if (!this.world.enabled('stalePage')) return
    const { disk } = this.world
    const size = disk.physicalSectorSize
    const [first, last] = disk.span(this.#offset, this.#data.length)
    for (let at = first; at <= last; at++) {
      this.process.host.pages.set(at, disk.visible.slice(at * size, (at + 1) * size))
    }
  }

  #checkUntouched(): void {
    let at = 0
    for (const buffer of this.#buffers) {
      for (let index = 0; index < buffer.length; index++, at++) {
        if (buffer[index] !== this.#data[at]) {
          this.world.onMisuse(`${this.name}: a buffer was changed while its write was in flight`)
          return
        }
      }
    }
  }

  protected describe(): string {
    const { sectorSize } = this.world.disk
    const durable = this.#durable ? ' durable' : ''
    return `write ${this.#offset / sectorSize}+${this.#data.length / sectorSize}${durable}`
  }
}

/** Makes earlier writes stable. */
export class FlushRequest extends Request {
  constructor(
    world: World,
    process: SimProcess,
    name: string,
    random: Random,
    end: RequestEnd,
    lost: () => boolean,
  ) {
    super(world, process, name, random, end)
    const upTo = world.disk.writes
    const at = random.float()
    const injected = world.draws('flushError', name, random)
    if (injected) world.count('flushError')
    let fails = injected
    this.after(at, () => {
      if (injected) {
        // Each process that has the disk open is told once.
        if (world.disk.failFlush((count) => random.below(count))) world.onLoss()
        lost()
      } else if (!lost()) world.disk.flush(upTo)
      else fails = true
    })
    this.finish(() => (fails ? 'a flush fails' : undefined))
  }

  protected describe(): string {
    return 'flush'
  }
}

function concat(buffers: readonly Uint8Array[]): Uint8Array {
  const data = new Uint8Array(lengthOf(buffers))
  let at = 0
  for (const buffer of buffers) {
    data.set(buffer, at)
    at += buffer.length
  }
  return data
}
