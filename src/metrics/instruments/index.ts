import { checkDevice } from '../../block/check-device.ts'
import type { BlockDevice } from '../../block/device.ts'
import { listen } from '../../util/diagnostics.ts'
import { checkWhole } from '../../util/numbers.ts'
import { checkOptions, type OptionKinds } from '../../util/options.ts'
import { type MetricFamily, merged } from '../family.ts'
import { ringFamilies } from '../rings.ts'
import { surveyRing } from '../survey.ts'
import { type SurveyLimit, Surveyor, type SurveyTarget } from '../surveyor.ts'
import type { Instrument } from './instrument.ts'
import { journalInstrument } from './journal.ts'
import { leaseInstrument } from './lease.ts'
import { correctionInstrument, damageInstrument } from './losses.ts'
import { nbdInstrument } from './nbd.ts'
import { heldInstrument, readerInstrument } from './reader.ts'
import { workInstrument } from './work.ts'
import { writerInstrument } from './writer.ts'

/** Options of {@link Instruments}. */
export interface InstrumentsOptions {
  /** Rings to survey at each collection, as `collect` does, by the value of their label `device`. */
  readonly rings?: Readonly<Record<string, BlockDevice>>
  /**
   * The most handles, leases and exports of each kind with labels of their own. The others share the labels `other`:
   * programs choose names, and each one takes memory here and in the monitoring system. Default 1,000.
   */
  readonly maxHandles?: number
}

const KINDS: OptionKinds<InstrumentsOptions> = { rings: 'object', maxHandles: 'number' }
const MAX_HANDLES = 1000
/** For all rings together: Prometheus waits for 10 s. */
const SURVEY_LIMIT: SurveyLimit = {
  ms: 8000,
  inAll: true,
  tooLate: (device) => new Error(`${device} could not be inspected within 8 s`),
}
const KNOWN = [
  ...[writerInstrument, readerInstrument, heldInstrument, workInstrument, journalInstrument],
  ...[leaseInstrument, nbdInstrument, damageInstrument, correctionInstrument],
]

/**
 * Instruments of the writers, readers, handlers, journals, leases and NBD clients of this process: they count what is
 * published on the diagnostics channels, from when they are made until they are disposed.
 *
 * @example
 * ```ts
 * import { RingWriter } from 'shared-block-ring'
 * import { MemoryBlockDevice } from 'shared-block-ring/block'
 * import { exposition, Instruments } from 'shared-block-ring/metrics'
 *
 * using instruments = new Instruments()
 * await using device = new MemoryBlockDevice({ sizeSectors: 1024 })
 * await using writer = await RingWriter.open(device, { createIfMissing: true })
 * await writer.push(new Uint8Array(3))
 * console.log(exposition(await instruments.collect()).includes('writer_items_total')) // true
 * ```
 */
export class Instruments implements Disposable {
  readonly #instruments: readonly Instrument[]
  readonly #listening: Disposable
  readonly #rings: readonly SurveyTarget[]
  readonly #surveyor = new Surveyor()
  #looking: Promise<readonly MetricFamily[]> | undefined

  /**
   * @throws {TypeError | RangeError} an option is none, or out of range
   * @throws {Error} the runtime has no channels
   */
  constructor(options: InstrumentsOptions = {}) {
    checkOptions('Instruments', options, KINDS)
    const { rings = {}, maxHandles = MAX_HANDLES } = options
    checkWhole({ maxHandles }, 1)
    this.#rings = Object.entries(rings).map(([device, ring]) => {
      checkDevice('Instruments', ring)
      return { device, survey: (over) => surveyRing(ring, device, over) }
    })
    this.#instruments = KNOWN.map((instrument) => instrument(maxHandles))
    this.#listening = listen(this.#instruments)
  }

  /** Every metric that there may be, without samples. */
  descriptors(): readonly MetricFamily[] {
    return merged([this.#rings.length > 0 ? ringFamilies([]) : [], this.families()]).map(
      (family) => ({ ...family, samples: [] }),
    )
  }

  /** The counts so far. */
  families(): readonly MetricFamily[] {
    return this.#instruments.flatMap((instrument) => instrument.families())
  }

  /**
   * The counts so far, and a survey of the rings, within 8 seconds. A ring that could not be inspected by then has
   * `shared_block_ring_up` 0 and hides no other; while its device does not answer, further calls report that
   * immediately without asking it. Overlapping calls share a survey.
   */
  collect(): Promise<readonly MetricFamily[]> {
    this.#looking ??= this.#collect().finally(() => {
      this.#looking = undefined
    })
    return this.#looking
  }

  /** Ends the counting. */
  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]()
  }

  async #collect(): Promise<readonly MetricFamily[]> {
    const surveys = await this.#surveyor.surveyAll(this.#rings, SURVEY_LIMIT)
    return merged([surveys.length > 0 ? ringFamilies(surveys) : [], this.families()])
  }
}
