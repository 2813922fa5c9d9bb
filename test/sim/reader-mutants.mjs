// Mutants of the reader that acknowledges in any order: one rule left out each; the same shape as in mutants.mjs.

const DELIVERIES = 'ring/queue/deliveries.ts'
const READER = 'ring/queue/reader.ts'

/** @param {[file: string, find: string, replace: string][]} edits */
const mutant = (name, mix, seeds, ...edits) => ({
  name,
  format: '2-reader',
  mix,
  seeds,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

export const READERS = [
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
  mutant('what went with a cache is not cut where an epoch begins', 'silent-reset', 2000, [
    READER,
    'this.#deliveries.cut((position) => consumer.seqOf(position) < fromPosition(position).seq)',
    '',
  ]),
  mutant('an item of a new epoch counts as the one with its number', 'silent-reset', 2000, [
    READER,
    'return position <= givenBackTo && !this.#isBefore(givenBackTo, position)',
    'return position % 2n ** 53n <= givenBackTo % 2n ** 53n',
  ]),
  mutant('damage that was stepped over holds what is behind', 'flip', 2000, [
    READER,
    'if (isSkip) this.#deliveries.skip(position)\n      else this',
    'this',
  ]),
  mutant('what is acknowledged comes again after going back', 'none', 300, [
    READER,
    'if (this.#isGivenBack(position) || deliveries.isFinished(position)) {',
    'if (position < 0n) {',
  ]),
  mutant(
    'what does not come again after going back holds what is behind',
    'silent-reset',
    2000,
    [
      DELIVERIES,
      '    this.#dropReplayed(position, false)\n    return this.#replay?.position === position && this',
      '    return this.#replay?.position === position && this',
    ],
    [
      DELIVERIES,
      '    this.#dropReplayed(position, false)\n    const replayed',
      '    const replayed',
    ],
    [
      READER,
      'this.#deliveries.cut((position) => consumer.seqOf(position) < fromPosition(position).seq)',
      '',
    ],
  ),
  mutant('a refused acknowledgement counts', 'honest', 3000, [
    READER,
    '        this.#deliveries.revert(to)\n',
    '',
  ]),
  mutant('what is being given back is read again', 'none', 300, [
    READER,
    'const { finishedTo } = deliveries\n    if (this',
    'const finishedTo = own\n    if (this',
  ]),
  mutant('nothing bounds what is delivered', 'none', 100, [
    READER,
    'this.#held = size >= this.#maxUnacked && !replays',
    'this.#held = false',
  ]),
]
