import { isBlockError, isRingError } from '../../../src/errors.ts'
import { isJournalError, type JournalError } from '../../../src/journal/index.ts'
import { Disk } from '../../../src/ring/format2/disk/disk.ts'
import { replay } from '../../../src/ring/format2/log/replay.ts'
import { newestConsumer, newestProducer } from '../../../src/ring/format2/role.ts'
import type { LogCounts, RingReport } from '../../../src/ring/report/finding.ts'
import type { RepairReport } from '../../../src/ring/report/repair.ts'
import { mix, Random } from '../../../src/sim/world/random.ts'
import { type Base, makeBases } from '../bases.ts'
import { mostOf, type Outcome, Violation } from '../exercise.ts'
import { Enough, type MeteredDevice, noUsage, type Usage } from '../meter.ts'
import type { ImageSource } from '../run.ts'
import { aim } from './aim.ts'
import { AFTER_PRODUCER, CALLS, type Call, type Consumed, OWN_ITEMS } from './calls.ts'
import { compose1 } from './compose1.ts'
import { type Composed, compose2, keyOf } from './compose2.ts'
import { SparseImage } from './image.ts'
import { bounded } from './limits.ts'
import { addRing, mutate } from './mutate.ts'

/** There is so little on these devices that no call may need its signal to come to an end. */
const SMALL_BYTES = 512 << 10
const OWN = OWN_ITEMS.map(keyOf)

/** Images that somebody made to hurt, each of which follows from its seed. */
export class HostileImages implements ImageSource<Composed> {
  readonly #bases: readonly Base[]

  private constructor(bases: readonly Base[]) {
    this.#bases = bases
  }

  static async make(format?: 1 | 2): Promise<HostileImages> {
    const bases = await makeBases()
    return new HostileImages(
      bases.filter(({ shape }) => format === undefined || shape.format === format),
    )
  }

  image(seed: number): Composed {
    const random = Random.of(seed, 3)
    const composed = this.#compose(random)
    if (composed.expected !== undefined) return composed
    const told: string[] = []
    if (composed.format === 2 && random.chance(0.1)) {
      told.push(addRing(composed, compose2(random), random))
    }
    if (composed.format === 2 && random.chance(0.5)) told.push(...mutate(composed, random))
    const isHonest = composed.isHonest && told.length === 0
    return { ...composed, isHonest, story: [...composed.story, ...told] }
  }

  #compose(random: Random): Composed {
    const make = random.weighted<() => Composed>([
      [40, () => aim(random)],
      [30, () => compose2(random)],
      [15, () => compose1(random)],
      [15, () => fromBase(random.pick(this.#bases))],
    ])
    return make()
  }

  /** @throws {Violation} */
  run(image: Composed, seed: number): Promise<Outcome> {
    return new HostileRun(image, seed).run()
  }

  describe({ format, story }: Composed): string {
    return `hostile image of format ${format}: ${story.join('; ')}`
  }

  formatOf({ format }: Composed): 1 | 2 {
    return format
  }

  isSealed(): boolean {
    return true
  }
}

function fromBase({ name, shape, image, history, waiting }: Base): Composed {
  const sparse = new SparseImage(shape.sectorSize, image.length)
  sparse.at(0, image.length).set(image)
  const items = [...history.values(), waiting].flat()
  return {
    image: sparse,
    format: shape.format,
    items: new Set(items.map(keyOf)),
    isHonest: true,
    story: [name],
  }
}

/** What a call came to. */
type Answer = { readonly code: string } | { readonly value: unknown }

class HostileRun {
  readonly #composed: Composed
  readonly #seed: number
  readonly #allowed: ReadonlySet<string>
  readonly #steps: string[] = []
  #usage: Usage = noUsage()
  #delivered = 0

  constructor(composed: Composed, seed: number) {
    this.#composed = composed
    this.#seed = seed
    this.#allowed = new Set([...composed.items, ...OWN])
  }

  async run(): Promise<Outcome> {
    const answers = new Map<string, Answer>()
    const random = Random.of(this.#seed, 4)
    for (const call of CALLS) {
      if (random.chance(call.share)) answers.set(call.name, await this.#call(call))
    }
    await this.#compare(answers)
    this.#expect(answers)
    if (this.#composed.expected !== undefined || random.chance(0.2)) await this.#checkRepaired()
    return { steps: this.#steps, delivered: this.#delivered, usage: this.#usage }
  }

  /** Makes a call on a device of its own. */
  async #call(call: Call, device?: MeteredDevice): Promise<Answer> {
    const metered = device ?? bounded(await this.#composed.image.device())
    const random = new Random(mix(this.#seed, this.#steps.length))
    const deliver = (item: Uint8Array): void => this.#check(item, call.name)
    let answer: Answer
    try {
      answer = { value: await call.run({ device: metered, random, deliver }) }
    } catch (error) {
      answer = { code: this.#codeOf(error, call.name) }
    }
    if (metered.excess !== undefined) throw new Violation(`${call.name}: ${metered.excess.message}`)
    this.#usage = mostOf([this.#usage, metered.usage])
    const isEnded = 'code' in answer && answer.code === 'enough'
    if (isEnded && call.waits !== true && this.#composed.image.deviceBytes <= SMALL_BYTES) {
      throw new Violation(`${call.name}: ends only by its signal, though the device is small`)
    }
    this.#steps.push(`${call.name} ${'code' in answer ? answer.code : 'ok'}`)
    return answer
  }

  /** Format 1 has no checksums: what is damaged is delivered. */
  #check(item: Uint8Array, name: string): void {
    this.#delivered++
    if (this.#composed.format === 1 || this.#allowed.has(keyOf(item))) return
    throw new Violation(`${name} delivers an item of ${item.length} bytes that nobody pushed`)
  }

  /** @throws {Violation} the error is no answer */
  #codeOf(error: unknown, name: string): string {
    if (error instanceof Violation) throw error
    if (error instanceof Enough) return 'enough'
    if (isRingError(error) || isBlockError(error)) return error.code
    if (isJournalError(error)) return `${error.code}/${this.#codeOf(rootOf(error), name)}`
    // Format 1 has no leases, and a position may be of another ring.
    if (error instanceof RangeError && /leases|has no room/.test(error.message)) return 'RangeError'
    throw new Violation(`${name}: ${String(error)}`, { cause: error })
  }

  /** What is known to be wrong with an image has to be told. */
  #expect(answers: ReadonlyMap<string, Answer>): void {
    const { sound, refused, items } = this.#composed.expected ?? {}
    const verified = answers.get('verifyRing')
    const report = verified !== undefined && 'value' in verified ? verified.value : undefined
    if (sound === false && (report as RingReport | undefined)?.sound === true) {
      throw new Violation('verifyRing finds nothing wrong')
    }
    const consumed = answers.get('Consumer.attach')
    const came =
      consumed !== undefined && 'value' in consumed ? (consumed.value as Consumed) : undefined
    if (refused === true && came !== undefined) {
      throw new Violation('Consumer.attach does not refuse')
    }
    if (items !== undefined && came?.items !== items) {
      throw new Violation(`Consumer.attach comes to ${JSON.stringify(came)}, not ${items} items`)
    }
  }

  /** Tools and roles have to tell the same. */
  async #compare(answers: ReadonlyMap<string, Answer>): Promise<void> {
    const answerOf = <T>(name: string): T | undefined => {
      const answer = answers.get(name)
      return answer !== undefined && 'value' in answer ? (answer.value as T) : undefined
    }
    const verified = answerOf<RingReport>('verifyRing')
    const consumed = answerOf<Consumed>('Consumer.attach')
    const created = answerOf<boolean>('Producer.create')
    const planned = answerOf<RepairReport>('repairRing')
    if (verified === undefined) return
    const story = (what: string): string => {
      const brief = JSON.stringify({ ...verified, findings: verified.findings.slice(0, 4) })
      return `${what}: verify says ${brief}, consume ${JSON.stringify(consumed ?? answers.get('Consumer.attach'))}`
    }
    const { log, sound } = verified
    if (log === undefined) {
      if (consumed?.done === true) throw new Violation(story('only a consumer reads the log'))
      return
    }
    if (created === true) throw new Violation(story('a ring is created over another'))
    if (verified.format === 2 && this.#isRefusedAlone(verified, answers.get('Consumer.attach'))) {
      throw new Violation(story('only verify reads the log'))
    }
    if (sound && consumed === undefined) {
      const answer = answers.get('Consumer.attach')
      const code = answer !== undefined && 'code' in answer ? answer.code : ''
      if (code !== 'enough' && code !== 'RING_LEASED')
        throw new Violation(story('a sound ring refuses'))
    }
    if (sound && planned?.left.length !== 0 && planned !== undefined) {
      throw new Violation(story('repair finds damage where verify finds none'))
    }
    if (sound && consumed !== undefined && consumed.damaged > 0) {
      throw new Violation(story('a sound ring has damage'))
    }
    if (verified.format === 2) await this.#compareCounts(verified, log, consumed)
    if (!this.#composed.isHonest) return
    if (!sound) throw new Violation(story('an honest ring is not sound'))
    if (consumed?.done === true && log.items !== consumed.items + consumed.large) {
      throw new Violation(story('items differ'))
    }
  }

  /** Whether a consumer ends at what it calls corrupt, and verify tells of nothing that keeps it from attaching. */
  #isRefusedAlone({ findings }: RingReport, answer: Answer | undefined): boolean {
    const isCorrupt = answer !== undefined && 'code' in answer && answer.code === 'RING_CORRUPT'
    return isCorrupt && !findings.some(({ structure }) => /lease|superblock/.test(structure))
  }

  /** What verify counts as sound a consumer gets, and what it counts as damaged a consumer is told of. */
  async #compareCounts(
    { damagedItems, findings }: RingReport,
    log: LogCounts,
    consumed: Consumed | undefined,
  ): Promise<void> {
    const isHidden = await this.#isHidden()
    const after = isHidden ? await this.#call(AFTER_PRODUCER) : { value: consumed }
    const came = 'value' in after ? (after.value as Consumed | undefined) : undefined
    if (came?.done !== true) return
    const { items, large, damaged } = came
    if (log.items === items + large && damagedItems === damaged) return
    const [verify, consume] = [{ damagedItems, log, findings: findings.slice(0, 4) }, came]
    throw new Violation(`counts differ: ${JSON.stringify({ isHidden, verify, consume })}`)
  }

  /** Whether only a producer that starts finds where the log goes on after what its slots call committed. */
  async #isHidden(): Promise<boolean> {
    const device = await this.#composed.image.device()
    const disk = await Disk.open(device)
    const slots = await disk.readSlots()
    const producer = newestProducer(slots.producer, device.name).slot
    const { lsn } = newestConsumer(slots.consumer, device.name).slot.cursor.logPosition
    const { damaged, logPosition } = await replay(disk, producer)
    const isPast = lsn > producer.committed.lsn && lsn <= logPosition.lsn
    return damaged.length > 0 || isPast
  }

  /** What a repair wrote needs no other one. */
  async #checkRepaired(): Promise<void> {
    for (const name of ['repairRing, write', 'repairRing, rebuild']) {
      const call = CALLS.find((each) => each.name === name)
      if (call === undefined) throw new Error(`there is no ${name}`)
      const memory = await this.#composed.image.device()
      const first = await this.#call(call, bounded(memory))
      if (!('value' in first)) continue
      const again = await this.#call(call, bounded(memory))
      const actions = 'value' in again ? (again.value as RepairReport).actions : again.code
      if (actions.length === 0 || actions === 'enough') continue
      throw new Violation(`${name} does not end: ${JSON.stringify([first, again])}`)
    }
  }
}

function rootOf(error: JournalError): unknown {
  return error.cause ?? new Enough('shut down')
}
