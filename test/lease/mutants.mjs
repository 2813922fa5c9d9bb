// Mutants of the lease: one rule left out each, which the hosts of run.ts have to find. `find` has to occur exactly once in
// the file (within src). `seed` is that of a run that shows it.

/** @typedef {{ name: string, seed: number, edits: { file: string, find: string, replace: string }[] }} Mutant */

const TAKE = 'ring/format2/take-lease.ts'
const LEASE = 'ring/format2/lease.ts'
const TIME = 'ring/format2/lease-time.ts'
const ROLE = 'ring/format2/take-role.ts'

const mutant = (seed, name, ...edits) => ({
  name,
  seed,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

/** @type {Mutant[]} */
export const MUTANTS = [
  mutant(1, 'a takeover without waiting', [
    TAKE,
    'if (waited >= watchedMs) return false',
    'return false',
  ]),
  mutant(69473, 'a takeover before the owner gives up', [
    TIME,
    'WATCHED_PART = 1.25',
    'WATCHED_PART = 0.75',
  ]),
  mutant(87, 'a takeover without the fence that was wanted', [TAKE, 'await fence?.(holder)', '']),
  mutant(1, 'a record that changes while it is watched counts as silent', [
    TAKE,
    "if (!isSame(state, holder)) throw leasedBy(store, state, 'it is at work')",
    '',
  ]),
  mutant(1, 'the counter is not part of a comparison', [TAKE, ' && counter === other.counter', '']),
  mutant(1, 'a renewal leaves the counter as it is', [
    LEASE,
    'this.#record.counter + 1',
    'this.#record.counter',
  ]),
  mutant(
    282,
    'no nonce, names only',
    [LEASE, 'found.nonce !== this.#record.nonce', 'found.owner !== this.#record.owner'],
    [TAKE, 'nonce === other.nonce', 'one.owner === other.owner'],
  ),
  mutant(10, 'no reading back', [
    TAKE,
    'const back = sound(store, await store.read())',
    'const back: LeaseState = record',
  ]),
  mutant(122, 'no waiting before reading back', [TAKE, 'await clock.sleep(SETTLE_MS)', '']),
  mutant(
    35,
    'nothing is checked after a write',
    [
      LEASE,
      'const result = await untilAborted(request(), this.#over.signal)\n    this.check()',
      'const result = await request()',
    ],
    [ROLE, 'lease.check()', '{}'],
  ),
  mutant(
    10,
    'nothing is checked before a write',
    [
      LEASE,
      'this.check()\n    const result = await untilAborted(request(), this.#over.signal)\n    this.check()',
      'const result = await untilAborted(request(), this.#over.signal)',
    ],
    [LEASE, 'this.check()\n    await this.#write(status)', 'await this.#write(status)'],
    [ROLE, 'lease.check()', '{}'],
  ),
  mutant(720, 'no reading again after the fence', [
    TAKE,
    'const last = sound(store, await store.read())',
    'const last = seen',
  ]),
  mutant(23414, 'a role that was taken slowly is not given up', [
    TAKE,
    'if (elapsed(begun, clock) > TAKE_MS) throw tooSlow(store)',
    '',
  ]),
  mutant(317, 'a renewal that ends after the deadline counts', [
    LEASE,
    "await this.hold(() => this.#rewrite('held'))",
    "await untilAborted(this.#rewrite('held'), this.#over.signal)",
  ]),
  mutant(71, 'only the clock counts that never goes back', [
    TIME,
    'Math.max(clock.now() - since.now, clock.time() - since.time)',
    'clock.now() - since.now',
  ]),
  mutant(430, 'only the wall clock counts', [
    TIME,
    'Math.max(clock.now() - since.now, clock.time() - since.time)',
    'clock.time() - since.time',
  ]),
  mutant(
    932,
    'a holder is watched by the wall clock',
    [TAKE, 'const begun = clock.now()', 'const begun = clock.time()'],
    [TAKE, 'const waited = clock.now() - begun', 'const waited = clock.time() - begun'],
  ),
  mutant(6470, 'what an earlier run left behind is taken at once, though it came too late', [
    TAKE,
    '!(own && seen.confirmed)',
    '!own',
  ]),
]
