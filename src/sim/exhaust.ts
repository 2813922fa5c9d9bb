import { DepthGauge } from './depth.ts'
import { finale } from './finale.ts'
import type { ConsumerStep, ProducerStep } from './plan.ts'
import type { RingUnderTest, Shape } from './promises.ts'
import { Random } from './random.ts'
import { report } from './report.ts'
import { Simulation } from './simulation.ts'

/** What the letters of a script do, one after the other. */
export const LETTERS: Readonly<Record<string, Letter>> = {
  a: { role: 'producer', step: { id: 0, kind: 'append', sizes: [3] } },
  b: { role: 'producer', step: { id: 0, kind: 'append', sizes: [0.3, 30] } },
  B: { role: 'producer', step: { id: 0, kind: 'append', sizes: [0.6] } },
  p: { role: 'producer', step: { id: 0, kind: 'push', sizes: [0.3] } },
  c: { role: 'producer', step: { id: 0, kind: 'advance', part: 1 } },
  P: { role: 'producer', step: { id: 0, kind: 'reattach' } },
  t: { role: 'consumer', step: { id: 0, kind: 'take', max: 1 } },
  T: { role: 'consumer', step: { id: 0, kind: 'take', max: 100 } },
  C: { role: 'consumer', step: { id: 0, kind: 'reattach' } },
  s: { role: 'consumer', step: { id: 0, kind: 'suspend' } },
  r: { role: 'consumer', step: { id: 0, kind: 'resume' } },
}

/** One step of one role. */
export type Letter =
  | { readonly role: 'producer'; readonly step: ProducerStep }
  | { readonly role: 'consumer'; readonly step: ConsumerStep }

/** Which scripts to exhaust. */
export interface ExhaustOptions {
  readonly shape: Shape
  /** Letters of {@link LETTERS}: done first, without a crash. Default: none. */
  readonly prelude?: string
  /** Scripts, or all of a length over the letters. */
  readonly scripts: readonly string[]
  /** Outcomes of one power cut that are tried at most. Default 256. */
  readonly maxOutcomes?: number
  /** Also kill a role before the power cut, at every event. Default false. */
  readonly twice?: boolean
}

/** What exhausting did. */
export interface Exhausted {
  readonly scripts: number
  /** Crash points. */
  readonly points: number
  /** Runs: each crash point with each outcome. */
  readonly runs: number
  /** Crash points at which there were more outcomes than were tried. */
  readonly cutShort: number
  /** The first broken promise, for people. */
  readonly broken: string | undefined
}

/** All scripts of a length over some letters. */
export function scriptsOf(letters: string, length: number): readonly string[] {
  if (length === 0) return ['']
  return scriptsOf(letters, length - 1).flatMap((start) => Array.from(letters, (l) => start + l))
}

/** A kill, after so many events. */
interface Kill {
  readonly role: 'producer' | 'consumer'
  readonly at: number
  /** 0: its request in flight did not happen. 1: in part. 2: it did, in the cache. 3: it is stable. */
  readonly outcome: number
}

interface Case {
  readonly prelude: string
  readonly script: string
  readonly kill?: Kill
  /** The power fails after so many events; absent: at the end. */
  readonly cutAt?: number
  /** Which outcome the cut has. */
  readonly outcome: number
}

/**
 * Runs each script once for every event at which the power can fail and every subset of unflushed sectors (in every
 * version) that can be kept, and checks that all that was promised is there. With `twice`, also for every event
 * before that at which a role can be killed.
 */
export async function exhaust(ring: RingUnderTest, options: ExhaustOptions): Promise<Exhausted> {
  const { prelude = '', scripts, maxOutcomes = 256, twice = false } = options
  const done = { scripts: 0, points: 0, runs: 0, cutShort: 0, broken: undefined }
  for (const script of scripts) {
    done.scripts++
    const whole = await run(ring, options, { prelude, script, outcome: 0 })
    if (whole.broken !== undefined) return { ...done, broken: whole.broken }
    for (const kill of twice ? kills(whole.events) : [undefined]) {
      for (let cutAt = kill?.at ?? 0; ; cutAt++) {
        const point = { prelude, script, ...(kill && { kill }), cutAt }
        const first = await run(ring, options, { ...point, outcome: 0 })
        done.points++
        if (first.outcomes > maxOutcomes) done.cutShort++
        for (let outcome = 0; outcome < Math.min(first.outcomes, maxOutcomes); outcome++) {
          const tried = outcome === 0 ? first : await run(ring, options, { ...point, outcome })
          done.runs++
          if (tried.broken !== undefined) return { ...done, broken: tried.broken }
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
  /** Events of the script until it was done, or was cut. */
  readonly events: number
  /** The script was done before the power cut. */
  readonly over: boolean
  /** Outcomes that the power cut could have. */
  readonly outcomes: number
  readonly broken: string | undefined
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
  const plan = {
    seed: 1,
    shape,
    rates: {},
    producer: [],
    consumer: [],
    events: [],
    onDamage: 'stop',
    usedBefore: false,
    without: [],
  } as const
  const simulation = new Simulation(ring, plan, traced)
  const { world, producer, consumer } = simulation
  const { scheduler } = world
  const undisturbed = what.kill === undefined && what.cutAt === undefined
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
  const { cutAt } = what
  await simulation.until(() => play.done || (cutAt !== undefined && after(cutAt)()))
  const events = scheduler.events - began
  const over = play.done
  let outcomes = 1
  if (cutAt !== undefined) {
    simulation.darken(new Fixed(1))
    outcomes = world.disk.outcomes
    world.trace(() => `POWER CUT, outcome ${what.outcome} of ${outcomes}`)
    world.disk.cut(digits(what.outcome))
  }
  world.healed = true
  await play.all(() => finale(simulation))
  const outcome = simulation.outcome()
  if (outcome.broken === undefined) return { events, over, outcomes, broken: undefined }
  return { events, over, outcomes, broken: report(outcome, `the case ${JSON.stringify(what)}`) }
}

/** Does the letters of a script, whoever dies meanwhile. */
class Player {
  done = false
  readonly #simulation: Simulation
  readonly #gauge: DepthGauge | undefined
  #left: string[] = []
  #doing: 'producer' | 'consumer' | undefined

  /** With a gauge, the depth is checked after every step. */
  constructor(simulation: Simulation, gauge?: DepthGauge) {
    this.#simulation = simulation
    this.#gauge = gauge
  }

  /** Does something to its end. */
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

  /** Goes on with the next step, if the one under way died with its role. */
  goOn(dead: 'producer' | 'consumer'): void {
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
    const letter = LETTERS[name]
    if (letter === undefined) throw new RangeError(`no letter ${name}`)
    const { producer, consumer } = this.#simulation
    const actor = letter.role === 'producer' ? producer : consumer
    this.#doing = letter.role
    if (!actor.alive) actor.enter(this.#simulation.start(actor))
    this.#simulation.step(actor, actor.place.step + 1, name)
    await (letter.role === 'producer'
      ? producer.perform(letter.step)
      : consumer.perform(letter.step))
    await this.#gauge?.check(this.#simulation.oracle.returned)
  }
}

/** Decides everything the same way. */
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

/** The choices that number an outcome, one digit each. */
function digits(outcome: number): (count: number) => number {
  let left = outcome
  return (count) => {
    const digit = left % count
    left = Math.floor(left / count)
    return digit
  }
}
