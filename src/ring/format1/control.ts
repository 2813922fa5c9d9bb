import type { BlockDevice } from '../../block/device.ts'
import type { Clock } from '../../clock.ts'
import { RingError } from '../../errors.ts'
import { notInitialised } from '../report/signatures.ts'
import { trace } from '../trace.ts'
import type { Names } from '../types.ts'
import {
  checkWholeSectors,
  type Layout,
  MAGIC_SECTOR,
  makeLayout,
  PRODUCER_SECTOR,
} from './layout.ts'
import { hasMagic } from './magic.ts'
import {
  CONSUMER,
  checkPointers,
  contradiction,
  encodePointer,
  type ParsedPointer,
  type Pointer,
  type PointerKind,
  PRODUCER,
  parsePointer,
} from './pointer.ts'
import { checkSectorSize } from './sector-size.ts'

/** The most reads of pointer sectors that keep changing. */
const MAX_READS = 64
/** Reads without a pause; before each later one is a pause of a millisecond. */
const EAGER_READS = 8

/** Both pointers, read at about the same time. */
export interface Pointers {
  readonly producer: ParsedPointer
  readonly consumer: ParsedPointer
  /** The incarnation of the device that they were read from. */
  readonly incarnation: number | undefined
}

type Parsed = Omit<Pointers, 'incarnation'>

/** Reads and writes the control sectors of a format 1 ring on a device. */
export class Control {
  readonly device: BlockDevice
  readonly layout: Layout
  readonly names: Names
  readonly #clock: Clock
  readonly #sector: Uint8Array
  readonly #reads: readonly [Uint8Array, Uint8Array]

  private constructor(device: BlockDevice, layout: Layout, names: Names, clock: Clock) {
    this.device = device
    this.layout = layout
    this.names = names
    this.#clock = clock
    this.#sector = device.allocate(layout.sectorSize)
    const pair = 2 * layout.sectorSize
    this.#reads = [device.allocate(pair), device.allocate(pair)]
  }

  /**
   * @throws {RingError} `RING_NOT_INITIALISED`, `RING_SECTOR_SIZE`, `RING_DEVICE_TOO_SMALL`, `RING_PARTIAL_SECTOR`
   */
  static async open(device: BlockDevice, names: Names, clock: Clock): Promise<Control> {
    const info = await device.getInfo()
    const { sectorSize, sizeSectors } = info
    const sector = device.allocate(sectorSize)
    if (sizeSectors > MAGIC_SECTOR) await device.read(MAGIC_SECTOR, [sector])
    const isRing = hasMagic(sector)
    // Before the size: a small ring has too few sectors of a larger size.
    if (isRing) await checkSectorSize(device)
    const layout = makeLayout(sectorSize, sizeSectors, device.name)
    if (!isRing) throw await notInitialised(device)
    checkWholeSectors({ ...info, name: device.name })
    return new Control(device, layout, names, clock)
  }

  /**
   * Reads both pointer sectors in one request. They have no checksum, and a concurrent write may tear the read. So a
   * read counts only if the texts repeat the fields and the pointers fit each other, or if a second read returns the
   * same bytes; and only if the device's incarnation during the read is known.
   * @throws {RingError} `RING_CORRUPT` if the bytes are stable and invalid; `RING_UNSTABLE`
   */
  async refresh(): Promise<Pointers> {
    const [even, odd] = this.#reads
    for (let reads = 0; reads < MAX_READS; reads++) {
      if (reads >= EAGER_READS) await this.#clock.sleep(1)
      const current = reads % 2 === 0 ? even : odd
      const { incarnation } = this.device
      await this.device.read(PRODUCER_SECTOR, [current])
      if (this.device.incarnation !== incarnation) continue
      const pointers = this.#parse(current, reads > 0 && equal(even, odd))
      if (pointers !== undefined) return { ...this.#traced(pointers), incarnation }
    }
    throw new RingError(
      'RING_UNSTABLE',
      `The pointer sectors of ${this.device.name} changed on each of ${MAX_READS} reads, and no read was ` +
        'consistent; is another program writing to this device?',
      { device: this.device.name, sector: PRODUCER_SECTOR },
    )
  }

  /** Writes a whole pointer sector. It is on stable storage when this resolves. */
  async write(kind: PointerKind, pointer: Pointer): Promise<void> {
    const { device, names } = this
    encodePointer(this.#sector, kind, pointer, names.queue, names.client)
    trace('set', kind.role, pointer.offset, names, device.name)
    trace('set', kind.flag, pointer.flag, names, device.name)
    await device.write(kind.sector, [this.#sector], { durable: true })
  }

  /** Parses both pointers; undefined if they are not confirmed yet. Throws only if the bytes are stable. */
  #parse(bytes: Uint8Array, stable: boolean): Parsed | undefined {
    const { sectorSize, dataBytes } = this.layout
    const { name } = this.device
    try {
      const producer = parsePointer(bytes.subarray(0, sectorSize), PRODUCER, name)
      const consumer = parsePointer(bytes.subarray(sectorSize), CONSUMER, name)
      checkPointers(producer.offset, consumer.offset, dataBytes, name)
      if (producer.confirmed === 'no') throw contradiction(producer, PRODUCER, name)
      if (consumer.confirmed === 'no') throw contradiction(consumer, CONSUMER, name)
      const confirmed = producer.confirmed === 'yes' && consumer.confirmed === 'yes'
      return confirmed || stable ? { producer, consumer } : undefined
    } catch (error) {
      if (stable) throw error
      return undefined
    }
  }

  #traced(pointers: Parsed): Parsed {
    const { names, device } = this
    for (const kind of [PRODUCER, CONSUMER]) {
      trace('get', kind.role, pointers[kind.role].offset, names, device.name)
      trace('get', kind.flag, pointers[kind.role].flag, names, device.name)
    }
    return pointers
  }
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.every((byte, at) => byte === right[at])
}
