// Mutants of the lease: one rule left out each, which hosts that are after one role have to find; the same shape as in
// mutants.mjs.

import { mutantsOf } from './mutant.mjs'

const TAKE = 'ring/format2/lease/take.ts'
const LEASE = 'ring/format2/lease/lease.ts'
const TIME = 'ring/format2/lease/time.ts'
const ROLE = 'ring/format2/lease/leased-role.ts'
const DEVICE = 'ring/format2/lease/leased-device.ts'

const mutant = mutantsOf({ format: 'leases' })

export const LEASES = [
  mutant('a takeover without waiting', 'any', 100, [
    TAKE,
    'if (waited >= watchedMs) return false',
    'return false',
  ]),
  // A holder stops after 0.9 T, and the slower of two clocks counts 4 while the other one counts 5: 0.9 * 5 / 4 =
  // 1.125.
  mutant('a takeover before the owner gives up', 'drift', 500, [
    TIME,
    'SILENT_PART = 1.25',
    'SILENT_PART = 1.12',
  ]),
  mutant('a holder that works for as long as it is watched', 'drift', 500, [
    TIME,
    'HELD_PART = 0.9',
    'HELD_PART = 1.01',
  ]),
  // The same of 2.5 s, which the faster clock counts while the slower one counts 2.
  mutant('a role that may be taken more slowly', 'race', 500, [
    TIME,
    'TAKE_MS = 2000',
    'TAKE_MS = 2050',
  ]),
  mutant('a record that is read back too early', 'race', 500, [
    TIME,
    'READ_BACK_MS = 2500',
    'READ_BACK_MS = 2450',
  ]),
  mutant('a takeover without the fence that was wanted', 'any', 500, [
    TAKE,
    'await fence?.(holder)',
    '',
  ]),
  mutant('a record that changes while it is watched counts as silent', 'any', 100, [
    TAKE,
    "if (!isSame(state, holder)) throw leasedBy(store, state, 'it is running')",
    '',
  ]),
  mutant('the counter is not part of a comparison', 'any', 100, [
    TAKE,
    ' && counter === other.counter',
    '',
  ]),
  mutant('a renewal leaves the counter as it is', 'any', 100, [
    LEASE,
    'this.#record.counter + 1',
    'this.#record.counter',
  ]),
  mutant(
    'no nonce, names only',
    'any',
    500,
    [LEASE, 'found.nonce !== this.#record.nonce', 'found.owner !== this.#record.owner'],
    [TAKE, 'nonce === other.nonce', 'one.owner === other.owner'],
  ),
  mutant('no reading back', 'race', 500, [
    TAKE,
    'const back = sound(store, await store.read())',
    'const back: LeaseState = record',
  ]),
  mutant('no waiting before reading back', 'race', 500, [
    TAKE,
    'await clock.sleep(READ_BACK_MS)',
    '',
  ]),
  mutant(
    'nothing is checked after a write',
    'any',
    500,
    [
      LEASE,
      'const result = await untilAborted(request(), this.#over.signal)\n    this.check()',
      'const result = await request()',
    ],
    [ROLE, 'lease.check()', '{}'],
  ),
  mutant(
    'nothing is checked before a write',
    'any',
    500,
    [
      LEASE,
      'this.check()\n    const result = await untilAborted(request(), this.#over.signal)\n    this.check()',
      'const result = await untilAborted(request(), this.#over.signal)',
    ],
    [LEASE, 'write(record, () => this.check())', 'write(record)'],
    [DEVICE, 'lease.check()', '{}'],
    [ROLE, 'lease.check()', '{}'],
  ),
  mutant('a renewal that was read too late is written all the same', 'drift', 20, [
    LEASE,
    'write(record, () => this.check())',
    'write(record)',
  ]),
  mutant('no reading again after the fence', 'any', 500, [
    TAKE,
    'const last = sound(store, await store.read())',
    'const last = seen',
  ]),
  mutant('a role that was taken slowly is not given up', 'race', 500, [
    TAKE,
    'if (elapsed(begun, clock) <= TAKE_MS) return',
    'return',
  ]),
  mutant('a renewal that ends after the deadline counts', 'any', 500, [
    LEASE,
    "await this.hold(() => this.#rewrite('held'))",
    "await untilAborted(this.#rewrite('held'), this.#over.signal)",
  ]),
  mutant('only the clock counts that never goes back', 'any', 500, [
    TIME,
    'Math.max(clock.now() - since.now, clock.time() - since.time)',
    'clock.now() - since.now',
  ]),
  mutant('only the wall clock counts', 'any', 500, [
    TIME,
    'Math.max(clock.now() - since.now, clock.time() - since.time)',
    'clock.time() - since.time',
  ]),
  mutant(
    'a holder is watched by the wall clock',
    'drift',
    500,
    [TAKE, 'const begun = clock.now()', 'const begun = clock.time()'],
    [TAKE, 'const waited = clock.now() - begun', 'const waited = clock.time() - begun'],
  ),
  mutant('what an earlier run left behind is taken at once, though it came too late', 'race', 500, [
    TAKE,
    '!(own && seen.confirmed)',
    '!own',
  ]),
]
