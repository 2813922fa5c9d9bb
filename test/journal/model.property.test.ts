import { expect, test } from 'vitest'
import { MemoryBlockDevice } from '../../src/block/memory.ts'
import { inspectRing } from '../../src/ring/access/inspect.ts'
import type { DeadLetter } from '../../src/ring/queue/process/types.ts'
import { FakeClock } from '../helpers/fake-clock.ts'
import { fc, runs } from '../helpers/property.ts'
import { sectorsFor } from '../helpers/ring.ts'
import { type Behaviour, type Rig, startRig } from './helpers.ts'
import { checkHistory, type Happened } from './history.ts'

const SECTORS = sectorsFor(6 * 512)

/** What is done to a journal, until it crashes. */
interface Life {
  readonly actions: readonly Action[]
  /** For each call of `perform`, in turn, after how many operations it fails, if it does. */
  readonly failures: readonly (number | undefined)[]
  /** Where it crashes: after how many thousandths of all that happened. */
  readonly crash: number
}

type Action =
  | { readonly push: readonly number[] }
  | { readonly advance: number }
  | { readonly flush: true }

const action: fc.Arbitrary<Action> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ push: fc.array(fc.nat(700), { minLength: 1, maxLength: 8 }) }),
  },
  { weight: 2, arbitrary: fc.record({ advance: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ flush: fc.constant<true>(true) }) },
)

const life: fc.Arbitrary<Life> = fc.record({
  actions: fc.array(action, { minLength: 6, maxLength: 30, size: 'max' }),
  failures: fc.array(fc.option(fc.nat(4), { nil: undefined }), {
    minLength: 4,
    maxLength: 16,
    size: 'max',
  }),
  crash: fc.integer({ min: 0, max: 1000 }),
})

/** A device that notes its content after every write. */
class Recorder extends MemoryBlockDevice {
  onWrite: (content: Uint8Array) => void = () => undefined

  protected override async doWrite(sector: number, buffers: readonly Uint8Array[]): Promise<void> {
    await super.doWrite(sector, buffers)
    const content = new Uint8Array(SECTORS * 512)
    await super.doRead(0, [content])
    this.onWrite(content)
  }
}

/** Everything that happens to a journal, through its crashes. */
class World {
  readonly history: Happened[] = []
  readonly #clock = new FakeClock()
  readonly #poison: boolean
  #content: Uint8Array = new Uint8Array(SECTORS * 512)
  #nextId = 0

  constructor(poison: boolean) {
    this.#poison = poison
  }

  /** Lives one life, of which only what was before the crash has happened. */
  async live({ actions, failures, crash }: Life): Promise<void> {
    const events: (Happened | Uint8Array)[] = []
    const rig = await this.#start(events, failures)
    for (const step of actions) await this.#act(rig, step, events)
    await this.#clock.settle()
    const cut = Math.floor((crash / 1000) * (events.length + 1))
    await rig.journal.close()
    this.#keep(events.slice(0, cut))
  }

  /** Lives on until all was performed. */
  async finish(): Promise<Rig> {
    const events: (Happened | Uint8Array)[] = []
    const rig = await this.#start(events, [])
    await this.#clock.advance(100_000)
    await rig.journal.sync()
    await rig.journal.close()
    this.#keep(events)
    return rig
  }

  async #start(events: (Happened | Uint8Array)[], failures: Life['failures']): Promise<Rig> {
    const device = new Recorder({ sizeSectors: SECTORS })
    await device.write(0, [this.#content])
    device.onWrite = (content) => events.push(content)
    const deadLetter = async ({ item = '' }: DeadLetter<string>): Promise<void> => {
      events.push({ kind: 'letter', id: idOf(item) })
    }
    const options = {
      ...{ performIntervalMs: 50, backoff: { firstMs: 100, maxMs: 200 }, maxPerformItems: 3 },
      ...(this.#poison && { deadLetter, attempts: 4 }),
    }
    return startRig(options, device, this.#clock, this.#behaviour(events, [...failures]))
  }

  #behaviour(events: (Happened | Uint8Array)[], failures: (number | undefined)[]): Behaviour {
    return async ({ operations }) => {
      events.push({ kind: 'call', id: idOf(operations[0] ?? '') })
      const failAfter = failures.shift()
      for (const [index, operation] of operations.entries()) {
        await Promise.resolve()
        const id = idOf(operation)
        if (index === failAfter) return { error: 'random' }
        if (this.#poison && id % 5 === 0) throw new Error('poison')
        events.push({ kind: 'run', id })
      }
      return failAfter === undefined ? undefined : Promise.reject(new Error('random, at the end'))
    }
  }

  async #act({ journal }: Rig, step: Action, events: (Happened | Uint8Array)[]): Promise<void> {
    if ('advance' in step) return this.#clock.advance(step.advance)
    if ('flush' in step) return journal.performNow()
    for (const bytes of step.push) {
      const id = this.#nextId++
      events.push({ kind: 'push', id })
      const pushed = journal.push(`${id}:`.padEnd(bytes, '.'))
      const acknowledged = pushed.then(({ done }) => {
        events.push({ kind: 'ack', id })
        return done.then(() => events.push({ kind: 'done', id }))
      })
      acknowledged.catch(() => undefined) // What comes after the crash did not happen.
    }
  }

  #keep(events: readonly (Happened | Uint8Array)[]): void {
    for (const event of events) {
      if (event instanceof Uint8Array) this.#content = event
      else this.history.push(event)
    }
  }
}

function idOf(operation: string): number {
  return Number.parseInt(operation, 10)
}

test.each([false, true])(
  'every acknowledged operation is performed, poison: %s',
  async (poison) => {
    let crashes = 0
    let repeated = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(life, { minLength: 1, maxLength: 5, size: 'max' }),
        async (lives) => {
          const world = new World(poison)
          for (const one of lives) await world.live(one)
          const { device } = await world.finish()
          checkHistory(world.history)
          expect((await inspectRing(device)).usedBytes).toBe(0)
          crashes += lives.length
          const runs = world.history.filter(({ kind }) => kind === 'run')
          repeated += runs.length - new Set(runs.map(({ id }) => id)).size
        },
      ),
      runs(25),
    )
    expect(crashes).toBeGreaterThan(50)
    expect(repeated).toBeGreaterThan(30) // Otherwise the crashes hit nothing.
  },
)
