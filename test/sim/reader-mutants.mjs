// Mutants of the reader that acknowledges in any order: one rule left out each; the same shape as in mutants.mjs. That
// what went with a cache is cut where an epoch begins takes more at once than seeds come to soon: test/ring/ack.test.ts
// shows it.

import { mutantsOf } from './mutant.mjs'

const DELIVERIES = 'ring/queue/deliveries.ts'
const SOURCE = 'ring/queue/entry-source.ts'
const ACKNOWLEDGER = 'ring/queue/acknowledger.ts'
const HOLD = 'ring/queue/unacked-limit.ts'

const mutant = mutantsOf({ format: '2-reader' })

export const READERS = [
  mutant('the memory of a view is used again before its entry is acknowledged', 'none', 500, [
    'ring/format2/log/batch-items.ts',
    'for (let index = begin; index < end; index++) pooled.pin()',
    '',
  ]),
  mutant('a view is unpinned when it is delivered', 'none', 500, [
    SOURCE,
    'if (pin !== undefined) delivery.pins = [...(delivery.pins ?? []), pin]',
    'pin?.unpin()',
  ]),
  mutant('what was handed out as a view is not read again', 'none', 500, [
    'ring/format2/log/consumer-log.ts',
    'this.#forgetViewed(position)\n    return',
    'return',
  ]),
  mutant('the ring advances past a gap', 'kill', 300, [
    DELIVERIES,
    'const last = this.#unfinished === undefined ? this.#last : this.#unfinished.before',
    'const last = this.#last',
  ]),
  mutant('the ring does not advance past what was acknowledged before', 'none', 300, [
    DELIVERIES,
    'this.#unfinished = this.#unfinished.after\n    }\n  }\n\n  #drop',
    'this.#unfinished = this.#unfinished.after\n      break\n    }\n  }\n\n  #drop',
  ]),
  mutant('damage that was skipped holds the items behind it', 'flip', 2000, [
    SOURCE,
    'if (isSkip) this.#deliveries.skip(position)\n    else this',
    'this',
  ]),
  mutant('what is acknowledged comes again after going back', 'none', 300, [
    SOURCE,
    'if (this.#acknowledger.hasLeft(position) || deliveries.passFinished(position)) {',
    'if (position < 0n) {',
  ]),
  mutant('a refused acknowledgement counts', 'honest', 3000, [
    ACKNOWLEDGER,
    '        this.#deliveries.revert(to)\n',
    '',
  ]),
  mutant('what is being acknowledged is read again', 'none', 300, [
    SOURCE,
    'const { finishedTo } = this.#deliveries\n    if (this',
    'const finishedTo = this.#consumer.position\n    if (this',
  ]),
  mutant('nothing bounds what is delivered', 'none', 100, [
    HOLD,
    'return size >= this.#maxUnacked && !isRevisiting',
    'return false && size > 0 && isRevisiting',
  ]),
]
