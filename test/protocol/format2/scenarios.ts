import { expect } from 'vitest'
import { counterexample, expectFollows, expectHolds, text } from '../check.ts'
import type { Concrete } from '../replay.ts'
import { scenario } from '../scenario.ts'
import { type Bounds, format2 } from './protocol.ts'
import { DATA, type Rules } from './rules.ts'

const ATTACHED: readonly string[] = ['producer attach', 'consumer attach', 'consumer idle']
const APPENDED = ['producer append', 'producer append']
const TAKEN = ['consumer pop', 'consumer pop', 'consumer advance']
/** All four blocks were used, two are free again, and no producer slot says so. */
const USED: readonly string[] = [...ATTACHED, ...APPENDED, ...TAKEN, 'consumer idle', ...APPENDED]
/** Three of four blocks are unacknowledged. */
const WAITING: readonly string[] = [...ATTACHED, ...APPENDED, 'producer append', 'consumer pop']

const BASE: Bounds = { blocks: 4, push: 1, crash: 1, suspendRequest: 0, calls: ['append'] }

/** Bounds, and what happens before. */
type Explored = readonly [bounds: Partial<Bounds>, before: readonly string[]]

/** What is explored in a second or two. */
export const SHORT: Readonly<Record<string, Explored>> = {
  suspend: [{ push: 1, crash: 0, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
}

/** What has so many states that it takes longer. */
export const LONG: Readonly<Record<string, Explored>> = {
  uncommitted: [{ calls: ['push1', 'append', 'advance'] }, ATTACHED],
  'from nothing': [{ calls: ['append'] }, []],
  'around the end': [{ calls: ['append'] }, USED],
  'full ring': [{ calls: ['append', 'push1', 'advance'], crash: 0, push: 3 }, WAITING],
  'items of two blocks': [{ calls: ['append2'] }, [...ATTACHED, 'producer append']],
  'many uncommitted': [
    { push: 3, crash: 0, calls: ['push1', 'append', 'advance', 'advanceFirst'] },
    ATTACHED,
  ],
  'suspend and resume': [
    { push: 1, crash: 0, suspendRequest: 2, calls: ['push1', 'append', 'advance', 'state'] },
    ATTACHED,
  ],
  'suspend with a crash': [{ suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
}

type Shown = Readonly<Partial<Record<keyof Rules, Explored>>>

/** For each rule, where leaving it out shows. */
export const SHOWN_SOON: Shown = {
  batchBeforeAnswer: [{}, ATTACHED],
  flushAtAttach: [{}, ATTACHED],
  epochBeforeAccepting: [{}, ['producer attach', 'consumer attach']],
  checksEpoch: [{ push: 2, calls: ['push1', 'append', 'advance'] }, ATTACHED],
  goesBack: [{ push: 2, calls: ['append'] }, ATTACHED],
  freesByLower: [{ push: 2, calls: ['append'] }, WAITING],
  idleBothSlots: [{ crash: 0 }, ATTACHED],
  settlesAfterAttach: [{}, ATTACHED],
  publishesBeforeReuse: [{}, USED],
  leavesRoom: [{ push: 4, crash: 0, calls: ['push1', 'advance'] }, ATTACHED],
  dropsHeld: [{ push: 2, calls: ['push1', 'append', 'advance'] }, ATTACHED],
  requestWaits: [{ crash: 0, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
  pushObeys: [{ crash: 0, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
}

/** The same, where that takes a hundred thousand states. */
export const SHOWN_LATE: Shown = {
  freesBySeen: [{ push: 4, calls: ['append2'] }, ATTACHED],
}

const CONCRETE: Concrete = {
  sectorSize: 4096,
  sectors: 16,
  create: { format: 2, blockSize: 4096 },
  // FORMAT.md: slots from G + 2 U on, and the data area at G + 8 U.
  sectorOf: (unit) => (unit < DATA ? 5 + unit : 11 + unit - DATA),
  item: (next, call) => ({ number: next, bytes: call.endsWith('2') ? 5000 : 100 }),
}

/** Explores a scenario in full, and replays a share of it against the code. */
export async function expectKept(name: string, [bounds, before]: Explored): Promise<void> {
  const explored = scenario(format2({ ...BASE, ...bounds }), before)
  const graph = expectHolds(`format 2, ${name}`, explored)
  await expectFollows(explored, CONCRETE, graph, { count: 8, length: 40 })
}

/** Explores the protocol without a rule, and finds how that violates a guarantee. */
export function expectNeeded(rule: keyof Rules): void {
  const shown = { ...SHOWN_SOON, ...SHOWN_LATE }[rule]
  if (shown === undefined) throw new RangeError(`nothing shows the rule ${rule}`)
  const [bounds, before] = shown
  const broken = counterexample(
    scenario(format2({ ...BASE, ...bounds }, { [rule]: false }), before),
  )
  console.log(`format 2 without ${rule}: ${text(broken)}`)
  // If it shows at once, there is no trace.
  expect(broken.broken).not.toBe('')
}
