import { expectFollows, expectHolds } from '../check.ts'
import type { Concrete } from '../replay.ts'
import { scenario } from '../scenario.ts'
import { type Bounds, format1 } from './protocol.ts'
import { itemOf } from './rules.ts'

export const ATTACHED: readonly string[] = ['producer attach', 'consumer attach']
export const TAKEN: readonly string[] = ['consumer pop', 'consumer advance']
/** Three of the four slots were used before, so that the ring wraps soon. */
const USED = [...ATTACHED, 'producer append', ...TAKEN, 'producer append', ...TAKEN]

/** Three of the four slots are unacknowledged. */
export const WAITING: readonly string[] = [
  ...ATTACHED,
  'producer append',
  'producer append',
  'producer append',
  'consumer pop',
]

export const BASE: Bounds = { sectors: 2, push: 2, crash: 1, suspendRequest: 0, calls: ['append'] }

/** Bounds, and what happens before. */
type Explored = readonly [bounds: Partial<Bounds>, before: readonly string[]]

/** What is explored in a second or two. */
export const SHORT: Readonly<Record<string, Explored>> = {
  'from nothing': [{ push: 1, calls: ['push1', 'advance', 'state', 'detach'] }, []],
  'crash after crash': [{ push: 2, crash: 2 }, ATTACHED],
  'suspend and resume': [
    { suspendRequest: 2, crash: 0, calls: ['push1', 'append', 'advance', 'state'] },
    ATTACHED,
  ],
}

/** What has so many states that it takes longer. */
export const LONG: Readonly<Record<string, Explored>> = {
  uncommitted: [{ push: 3, calls: ['push1', 'append', 'advance', 'advanceFirst'] }, USED],
  'around the end': [{ push: 3, calls: ['push1', 'push2', 'advance'] }, USED],
  'suspend with a crash': [{ push: 1, suspendRequest: 1, calls: ['append', 'state'] }, ATTACHED],
}

const CONCRETE: Concrete = {
  sectorSize: 512,
  sectors: 5,
  create: { format: 1 },
  sectorOf: (unit) => unit + 1,
  item(next, call) {
    const slots = call === 'push2' ? 2 : 1
    return { number: itemOf(next, slots), bytes: slots * 256 - 4 }
  },
}

/** Explores a scenario in full, and replays a share of it against the code. */
export async function expectKept(name: string, [bounds, before]: Explored): Promise<void> {
  const explored = scenario(format1({ ...BASE, ...bounds }), before)
  const graph = expectHolds(`format 1, ${name}`, explored)
  await expectFollows(explored, CONCRETE, graph, { count: 8, length: 40 })
}
