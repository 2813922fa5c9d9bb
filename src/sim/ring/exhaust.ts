import type { Role } from '../../ring/roles.ts'
import { Lazy } from '../../util/lazy.ts'
import type { Broken } from '../runs/violation.ts'
import { Random } from '../world/random.ts'
import { DepthGauge } from './depth.ts'
import { finalCheck } from './final-check.ts'
import type { RingUnderTest, Shape } from './guarantees.ts'
import type { ConsumerStep, ProducerStep } from './plan.ts'
import { report } from './report.ts'
import { Simulation } from './simulation.ts'
import { DiskStorage } from './storage.ts'

/** Offsets in a write where a flipped bit matters: in a batch, what is committed; in a slot, its generation. */
const ROTTEN_BYTE = 40

/** The letters of scripts, and the steps that they stand for. */
export const LETTERS: Readonly<Record<string, Letter>> = {
  a: { role: 'producer', step: { id: 0, kind: 'append', sizes: [3] } },
  b: { role: 'producer', step: { id: 0, kind: 'append', sizes: [0.3, 30] } },
  B: { role: 'producer', step: { id: 0, kind: 'append', sizes: [0.6] } },
  p: { role: 'producer', step: { id: 0, kind: 'push', sizes: [0.3] } },
  m: { role: 'producer', step: { id: 0, kind: 'push', sizes: [3, 4, 5, 6] } },
  c: { role: 'producer', step: { id: 0, kind: 'advance', part: 1 } },
  q: { role: 'producer', step: { id: 0, kind: 'advance', part: 0.5 } },
  P: { role: 'producer', step: { id: 0, kind: 'reattach' } },
  t: { role: 'consumer', step: { id: 0, kind: 'take', max: 1 } },
  T: { role: 'consumer', step: { id: 0, kind: 'take', max: 100 } },
  o: { role: 'consumer', step: { id: 0, kind: 'pop', max: 100 } },
  g: { role: 'consumer', step: { id: 0, kind: 'advance', part: 0.1 } },
  S: { role: 'consumer', step: { id: 0, kind: 'state' } },
  C: { role: 'consumer', step: { id: 0, kind: 'reattach' } },
  s: { role: 'consumer', step: { id: 0, kind: 'suspend' } },
  r: { role: 'consumer', step: { id: 0, kind: 'resume' } },
  1: { role: 'medium', rots: 1 },
  2: { role: 'medium', rots: 2 },
  3: { role: 'medium', rots: 3 },
  4: { role: 'medium', rots: 4 },
}

/** One step of one role; or a flipped bit at the start of the last write, of the one before it, and so on. */
export type Letter =
  | { readonly role: 'medium'; readonly rots: number }
  | { readonly role: 'producer'; readonly step: ProducerStep }
  | { readonly role: 'consumer'; readonly step: ConsumerStep }

/** Which scripts to exhaust. */
export interface ExhaustOptions {
  readonly shape: Shape
  /** Letters of {@link LETTERS} that run first, without a crash. Default: none. */
  readonly prelude?: string
  /** The scripts to run. */
  readonly scripts: readonly string[]
  /** Outcomes that are tried for one loss of the cache. Default 256. */
  readonly maxOutcomes?: number
  /** Also kill a role at every event before the loss. Default false. */
  readonly twice?: boolean
  /** How the cache is lost: in a power cut, or silently. Default `power`. */
  readonly loss?: Loss
}

/** The ways to lose the cache. */
const LOSSES = ['power', 'silentReset'] as const
type Loss = (typeof LOSSES)[number]

/** What an exhaustive run did. */
export interface Exhausted {
  readonly scripts: number
  /** Crash points. */
  readonly points: number
  /** Runs: each crash point with each outcome. */
  readonly runs: number
  /** Crash points with more outcomes than were tried. */
  readonly cutShort: number
  /** The first violated guarantee. */
  readonly broken: Broken | undefined
  /** A report of the run that broke it. */
  readonly report: string | undefined
}

/**
 * The smallest disk of a ring with blocks of a size, of sectors that are kept or lost one by one.
 * @throws {RangeError} the simulator has none
 */
export function smallestShape(ring: RingUnderTest, blockSize: number): Shape {
  const shapes = Array.from({ length: 200 }, (_, seed) =>
    ring.shape(new Random(seed), blockSize > 512),
  ).filter(
    (shape) =>
      (shape.blockSize ?? shape.sectorSize) === blockSize && shape.physicalSectorSize === 512,
  )
  const [smallest] = shapes.sort((a, b) => a.sizeSectors - b.sizeSectors)
  if (smallest === undefined) throw new RangeError(`no disk with blocks of ${blockSize} bytes`)
  return smallest
}

/** All scripts of a length over some letters. */
export function scriptsOf(letters: string, length: number): readonly string[] {
  if (length === 0) return ['']
  return scriptsOf(letters, length - 1).flatMap((start) => Array.from(letters, (l) => start + l))
}

/**
 * Checks that each letter is one of {@link LETTERS}.
 * @throws {RangeError} one is not
 */
export function checkScripts(prelude: string, scripts: readonly string[]): void {
  for (const name of [prelude, ...scripts].join('')) {
    if (LETTERS[name] === undefined) {
      throw new RangeError(`no letter '${name}': known are ${Object.keys(LETTERS).join('')}`)
    }
  }
}

/** A kill, and the event after which it comes. */
interface Kill {
  readonly role: Role
  readonly at: number
  /** 0: its request in flight did not happen. 1: in part. 2: it did, in the cache. 3: it is stable. */
  readonly outcome: number
}

interface Case {
  readonly prelude: string
  readonly script: string
  readonly kill?: Kill
  readonly loss: Loss
  /** The event after which the cache is lost; absent: never. */
  readonly lostAt?: number
  /** The number of the loss's outcome. */
  readonly outcome: number
}

/**
 * Runs each script once for every event at which the cache can be lost and every subset of unflushed sectors (in every
 * version) that can survive, and checks all guarantees. With `twice`, also for every event before that at which a role
 * can be killed.
 *
 * A crash point is the number of an event, and an outcome is a number whose digits are the choices of the disk; nothing
 * is random, so a run is replayed by its script and these numbers. Outcomes beyond `maxOutcomes` are not tried, and
 * counted in `cutShort`.
 * @throws {RangeError} a script has a letter that is not one of {@link LETTERS}, or the loss is unknown
 */
export async function exhaust(ring: RingUnderTest, options: ExhaustOptions): Promise<Exhausted> {
  const { prelude = '', scripts, maxOutcomes = 256, twice = false, loss = 'power' } = options
  checkScripts(prelude, scripts)
  if (!LOSSES.includes(loss)) {
    throw new RangeError(`no loss '${loss}': known are ${LOSSES.join(', ')}`)
  }
  await Lazy.loadAll()
  const done = { scripts: 0, points: 0, runs: 0, cutShort: 0, broken: undefined, report: undefined }
  for (const script of scripts) {
    done.scripts++
    const whole = await run(ring, options, { prelude, script, loss, outcome: 0 })
    if (whole.broken !== undefined) return { ...done, broken: whole.broken, report: whole.report }
    for (const kill of twice ? kills(whole.events) : [undefined]) {
      for (let lostAt = kill?.at ?? 0; ; lostAt++) {
        const point = { prelude, script, loss, ...(kill && { kill }), lostAt }
        const first = await run(ring, options, { ...point, outcome: 0 })
        done.points++
        if (first.outcomes > maxOutcomes) done.cutShort++
        for (let outcome = 0; outcome < Math.min(first.outcomes, maxOutcomes); outcome++) {
          const tried = outcome === 0 ? first : await run(ring, options, { ...point, outcome })
          done.runs++
          if (tried.broken !== undefined)
            return { ...done, broken: tried.broken, report: tried.report }
        }
        if (first.over) break
      }
    }
  }
  return done
}

function kills(events: number): readonly Kill[] {
  return Array.from({ length: events }, (_, at) =>
    (['producer', 'consumer'] as const).flatMap((role) =>
      [0, 2, 3].map((outcome) => ({ role, at, outcome })),
    ),
  ).flat()
}

interface Ran {
  /** Events of the script until it was done, or the power failed. */
  readonly events: number
  /** The script was done before the cache was lost. */
  readonly over: boolean
  /** Number of outcomes that the loss could have. */
  readonly outcomes: number
  readonly broken: Broken | undefined
  readonly report: string | undefined
}

async function run(ring: RingUnderTest, options: ExhaustOptions, what: Case): Promise<Ran> {
  const ran = await attempt(ring, options.shape, what, false)
  if (ran.broken === undefined) return ran
  return attempt(ring, options.shape, what, true)
}

async function attempt(
  ring: RingUnderTest,
  shape: Shape,
  what: Case,
  traced: boolean,
): Promise<Ran> {
  const rots = [...what.prelude, ...what.script].some((name) => LETTERS[name]?.role === 'medium')
  const plan = {
    seed: 1,
    device: 'disk',
    shape,
    rates: { ...(rots && { rot: 1, once: 1 }), ...(what.loss !== 'power' && { [what.loss]: 1 }) },
    producer: [],
    consumer: [],
    events: [],
    onDamage: 'stop',
    usedBefore: false,
    without: [],
  } as const
  const simulation = new Simulation(ring, plan, (context) => new DiskStorage(context), traced)
  const { world, producer, consumer } = simulation
  const { scheduler } = world
  // The oracle does not know which items an overwriting ring gave up, so it cannot count those left.
  const { overwritten } = simulation.guarantees.losses
  const undisturbed = what.kill === undefined && what.lostAt === undefined && !overwritten
  const play = new Player(simulation, undisturbed ? new DepthGauge(simulation) : undefined)
  await play.all(() => simulation.make())
  await play.all(() => play.steps(what.prelude))
  const began = scheduler.events
  const after = (events: number) => (): boolean => scheduler.events - began >= events
  play.begin(what.script)
  if (what.kill !== undefined) {
    await simulation.until(() => play.done || after(what.kill?.at ?? 0)())
    const role = what.kill.role === 'producer' ? producer : consumer
    world.trace(() => `KILL of the ${what.kill?.role}, outcome ${what.kill?.outcome}`)
    simulation.kill(role, new Fixed(what.kill.outcome))
    play.goOn(what.kill.role)
  }
  const { lostAt } = what
  await simulation.until(() => play.done || (lostAt !== undefined && after(lostAt)()))
  const over = play.done
  const events = scheduler.events - began
  let outcomes = 1
  if (lostAt !== undefined) {
    if (what.loss === 'power') simulation.powerOff(new Fixed(1))
    outcomes = world.disk.outcomes
    world.trace(() => `LOSS (${what.loss}), outcome ${what.outcome} of ${outcomes}`)
    world.disk.cut(digits(what.outcome))
    if (what.loss !== 'power') await simulation.until(() => play.done)
  }
  simulation.heal()
  await play.all(() => finalCheck(simulation))
  const outcome = simulation.outcome()
  const { broken } = outcome
  const text = broken && report(outcome, `the case ${JSON.stringify(what)}`)
  return { events, over, outcomes, broken, report: text }
}

/** Does the letters of a script, across the deaths of its roles. */
class Player {
  done = false
  readonly #simulation: Simulation
  readonly #gauge: DepthGauge | undefined
  #left: string[] = []
  #doing: Role | undefined

  /** With a gauge, the depth is checked after every step. */
  constructor(simulation: Simulation, gauge?: DepthGauge) {
    this.#simulation = simulation
    this.#gauge = gauge
  }

  /** Runs one task to its end. */
  async all(task: () => Promise<void>): Promise<void> {
    let over = false
    this.#simulation.attempt(
      task().then(() => {
        over = true
      }),
    )
    await this.#simulation.until(() => over)
  }

  async steps(script: string): Promise<void> {
    for (const letter of script) await this.#step(letter)
  }

  begin(script: string): void {
    this.#left = [...script]
    this.#play()
  }

  /** Continues with the next step if the current one ended with its role's death. */
  goOn(dead: Role): void {
    if (this.#doing === dead) this.#play()
  }

  #play(): void {
    this.#simulation.attempt(
      (async () => {
        for (let next = this.#left.shift(); next !== undefined; next = this.#left.shift()) {
          await this.#step(next)
        }
        this.#doing = undefined
        this.done = true
      })(),
    )
  }

  async #step(name: string): Promise<void> {
    const letter = LETTERS[name] as Letter
    const { producer, consumer, world } = this.#simulation
    if (letter.role === 'medium') {
      world.trace(() => `ROT where write ${-letter.rots} began`)
      world.disk.rot((world.disk.written.at(-letter.rots) ?? 0) + ROTTEN_BYTE, 0)
      return
    }
    const actor = letter.role === 'producer' ? producer : consumer
    this.#doing = letter.role
    if (!actor.alive) await actor.enter(this.#simulation.start(actor))
    this.#simulation.step(actor.names, actor.names.step + 1, name)
    await (letter.role === 'producer'
      ? producer.perform(letter.step)
      : consumer.perform(letter.step))
    await this.#gauge?.check(this.#simulation.oracle.acknowledgedTo)
  }
}

/** Makes the same choice every time. */
class Fixed extends Random {
  readonly #outcome: number

  constructor(outcome: number) {
    super(0)
    this.#outcome = outcome
  }

  override below(count: number): number {
    return Math.min(this.#outcome, count - 1)
  }

  override chance(): boolean {
    return true
  }
}

/** The choices that an outcome's number encodes, one digit each. */
function digits(outcome: number): (count: number) => number {
  let left = outcome
  return (count) => {
    const digit = left % count
    left = Math.floor(left / count)
    return digit
  }
}
