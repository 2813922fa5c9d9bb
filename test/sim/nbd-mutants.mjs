// Mutants of the NBD client, each found by a ring and its neighbours on a simulated server.

import { mutantsOf } from './mutant.mjs'

const CONNECTION = 'block/nbd/transport/connection.ts'
const FLUSH_TRACKER = 'block/nbd/transport/flush-tracker.ts'

const mutant = mutantsOf({ format: '2', device: 'nbd' })

export const NBD = [
  mutant('what a lost connection left unflushed is forgotten', 'servers', 30, [
    FLUSH_TRACKER,
    'if (this.#target.unflushed) this.#lost = true',
    '',
  ]),
  // The last piece counts, which is as if the whole call was counted when it is over.
  mutant(
    'the answered pieces of a call that goes on are not counted as unflushed',
    'servers',
    60,
    [
      CONNECTION,
      'if (!CHANGES.has(command) ||',
      'if (!CHANGES.has(command) || length >= this.export.maximum ||',
    ],
    [CONNECTION, '#counting({ command, flags }', '#counting({ command, flags, length }'],
  ),
  mutant('zeroes are not counted as unflushed', 'servers', 120, [
    CONNECTION,
    'COMMAND.write, COMMAND.writeZeroes',
    'COMMAND.write',
  ]),
  mutant('a write that the server was not permitted counts as done', 'refuse', 10, [
    'block/nbd/transport/exchange.ts',
    'if (this.#fault !== undefined) {',
    "if (this.#fault !== undefined && this.#fault.code !== 'EPERM') {",
  ]),
  mutant('a flush covers what was answered after it was sent', 'servers', 120, [
    CONNECTION,
    'this.#flushed = Math.max(this.#flushed, covered)',
    'this.#flushed = this.#changes',
  ]),
]
