// Mutants of groups: one rule left out each, which members that come, go, die and stand still have to find; the same
// shape as in mutants.mjs.

import { mutantsOf } from './mutant.mjs'

const FAN_IN = 'fan/fan-in.ts'
const GROUP = 'fan/group.ts'
const SEATS = 'fan/seats.ts'
const SUPPLY = 'fan/ready-entries.ts'
const WORK = 'fan/fan-processor.ts'
const ROUNDS = 'ring/queue/rounds.ts'
const POLL = 'ring/queue/poll.ts'

const mutant = mutantsOf({ format: 'groups' })

export const GROUPS = [
  mutant('a ring moves before what was begun is acknowledged', 'kill', 30, [
    GROUP,
    '    await this.#acknowledged(reader)\n',
    '',
  ]),
  mutant(
    'a ring moves while its handlers run',
    'none',
    30,
    [
      WORK,
      'worked?.stop.abort()\n    await worked?.ended',
      'worked?.stop.abort()\n    await undefined',
    ],
    [GROUP, '    await this.#acknowledged(reader)\n', ''],
  ),
  mutant('all members round their shares up', 'none', 30, [
    GROUP,
    '(rank < rings % members ? 1 : 0)',
    '(rings % members > 0 ? 1 : 0)',
  ]),
  mutant('all members round their shares down', 'none', 30, [
    GROUP,
    '(rank < rings % members ? 1 : 0)',
    '0',
  ]),
  mutant('a member counts those before it, and itself', 'none', 30, [
    SEATS,
    'taken.slice(0, own ?? SEATS)',
    'taken.slice(0, (own ?? SEATS) + 1)',
  ]),
  mutant('who is there is looked at up to the first free seat', 'kill', 60, [
    SEATS,
    'const members = taken.filter(Boolean).length',
    'const members = taken.indexOf(false)',
  ]),
  mutant('who is there is looked at once', 'kill', 30, [
    GROUP,
    'this.#seating = await this.#seats.count()',
    'if (this.#looks === 0) this.#seating = await this.#seats.count()',
  ]),
  mutant('a ring that somebody else has is left alone for long', 'none', 30, [
    GROUP,
    'if (isHeld(error) || signal.aborted) return',
    'if (signal.aborted) return\n      if (isHeld(error)) return void this.#retryAt.set(device, this.#clock.now() + 2 * RETRY_MS)',
  ]),
  mutant('a ring that failed is never tried again', 'eio', 60, [
    GROUP,
    'const RETRY_MS = 5000',
    'const RETRY_MS = 5_000_000',
  ]),
  mutant('a ring that was released counts as kept', 'none', 30, [
    GROUP,
    '    this.#held.delete(device)\n    await reader.close()',
    '    await reader.close()',
  ]),
  mutant('a ring that is released keeps its role', 'none', 30, [
    GROUP,
    '    this.#held.delete(device)\n    await reader.close()',
    '    this.#held.delete(device)',
  ]),
  mutant('a ring that is opened while its member leaves stays open', 'none', 60, [
    GROUP,
    'if (this.#closing.signal.aborted) return reader.close()',
    'if (this.#closing.signal.aborted) return',
  ]),
  mutant('what was read ahead stays with the group it leaves', 'kill', 60, [
    SUPPLY,
    'if (isLeft && this.reader.position !== this.#from) await',
    'if (isLeft && this.#failure !== undefined) await',
  ]),
  mutant('what was handed out is taken back too', 'kill', 30, [
    SUPPLY,
    '    this.#from = entry.position\n',
    '',
  ]),
  mutant('a ring that comes while items are handled is not worked on', 'none', 30, [
    FAN_IN,
    'if (this.#processor !== undefined) this.#processor.add(reader, reserved, this.#members.size)\n    else if',
    'if',
  ]),
  mutant('a ring whose reader its program closed is kept', 'eio', 100, [
    GROUP,
    `if (internalsOf(reader).closing.aborted)
        this.#releasing.set(device, this.#drop(device, reader))`,
    'void internalsOf(reader)',
  ]),
  mutant('a round leaves one of its readers waiting', 'none', 30, [
    ROUNDS,
    'for (const callback of round.waiting) callback()',
    'for (const callback of [...round.waiting].slice(round.waiting.size > 1 ? 1 : 0)) callback()',
  ]),
  mutant('a look that finds nothing is the last one', 'none', 30, [
    POLL,
    "        if (by === 'poll') callOff = begin()\n",
    '',
  ]),
  mutant('who calls off a pause calls off its round', 'none', 24, [
    ROUNDS,
    'if (!round.waiting.delete(callback) || round.waiting.size > 0) return',
    'if (!round.waiting.delete(callback)) return',
  ]),
]
