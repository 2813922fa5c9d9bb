// Mutants: one rule of a format left out each, which the simulator has to find. `find` has to occur exactly once in
// the file (within src). `edits` are done together, where two rules cover each other. `mix` and `seeds` say
// where to look, if not in the first SEEDS seeds of the default mix.

/** Seeds that every mutant gets, unless it says otherwise; without a mutant, they have to find nothing. */
export const SEEDS = 4000

/** @typedef {{ file: string, find: string, replace: string }} Edit */
/** @typedef {{ name: string, format: string, edits: Edit[], mix?: string, seeds?: number }} Mutant */

const PRODUCER = 'ring/format1/producer.ts'
const CONSUMER = 'ring/format1/consumer.ts'
const CONTROL = 'ring/format1/control.ts'
const ROLE = 'ring/format1/role.ts'
const BASE_ROLE = 'ring/role.ts'
const READER = 'ring/format1/reader.ts'

const format1 = (name, file, find, replace, more = {}) => ({
  name,
  format: '1',
  edits: [{ file, find, replace }],
  ...more,
})

/** @type {Mutant[]} */
export const MUTANTS = [
  format1(
    "no flush before the consumer's pointer",
    CONSUMER,
    'await this.#makeDurable(position)',
    '',
    { mix: 'storm' },
  ),
  format1(
    'no flush before freed space is used again',
    PRODUCER,
    `    const freed = this.other.offset
    await this.guard(this.device.flush())`,
    '    const freed = this.other.offset',
    { mix: 'storm' },
  ),
  format1(
    "no flush at the producer's begin",
    PRODUCER,
    `cache that a power cut empties.
    await this.guard(this.device.flush())`,
    'cache that a power cut empties.',
    { mix: 'storm', seeds: 8000 },
  ),
  format1(
    'pointers are not written durably',
    CONTROL,
    'await device.write(kind.sector, [this.#sector], { durable: true })',
    'await device.write(kind.sector, [this.#sector])',
  ),
  format1(
    'records are not written durably',
    PRODUCER,
    'const durable = runs.length === 1 && batch.length === items.length',
    'const durable = false',
    {
      edits: [
        {
          file: PRODUCER,
          find: 'const durable = runs.length === 1 && batch.length === items.length',
          replace: 'const durable = false',
        },
        {
          file: PRODUCER,
          find: 'if (!durable && done === items.length) await this.guard(this.device.flush())',
          replace: '',
        },
      ],
    },
  ),
  format1(
    'no flush after a push in several writes',
    PRODUCER,
    'if (!durable && done === items.length) await this.guard(this.device.flush())',
    '',
  ),
  format1(
    'the sector before the tail is not written back',
    PRODUCER,
    'if (lead > 0) bytes.set(this.#tailSector.subarray(0, lead))',
    'if (lead > 0) bytes.fill(0, 0, lead)',
  ),
  format1(
    'the sector before the tail is not read at attach',
    PRODUCER,
    'await this.device.read(sector, [this.#tailSector])',
    'extentOf(layout, BigInt(sector), this.#tail)',
  ),
  format1(
    'the oldest bytes in the last sector are not kept',
    PRODUCER,
    'if (end + BigInt(sector.length - used) > live) {',
    'if (end < live && live < 0n) {',
  ),
  format1(
    'freed space is not checked',
    PRODUCER,
    'if (needed > this.other.offset) return false',
    '',
  ),
  format1(
    'the consumer gives back all that is there',
    CONSUMER,
    'await this.writeOwn({ offset: position, flag: this.own.flag })',
    'await this.writeOwn({ offset: this.other.offset, flag: this.own.flag })',
  ),
  format1(
    'one does not look at the own sector when there are no claims',
    ROLE,
    'await (this.#claim === undefined ? this.look() : this.lookIfOld())',
    '',
    {
      edits: [
        {
          file: ROLE,
          find: 'if (own.offset !== this.own.offset || own.flag !== this.own.flag) {',
          replace: 'if (own.offset < 0n) {',
        },
      ],
    },
  ),
  format1(
    'a failed write does not end the handle',
    BASE_ROLE,
    `      throw this.poisonWith(error)
    }`,
    `      throw error
    }`,
  ),
  format1(
    'a failed write is taken for a good one',
    BASE_ROLE,
    `      throw this.poisonWith(error)
    }`,
    `      void error
    }`,
  ),
  format1(
    'torn pointers are believed at once',
    CONTROL,
    'return confirmed || stable ? { producer, consumer } : undefined',
    'return { producer, consumer }',
    {
      mix: 'tears',
      edits: [
        {
          file: CONTROL,
          find: 'return confirmed || stable ? { producer, consumer } : undefined',
          replace: 'return { producer, consumer }',
        },
        {
          file: CONTROL,
          find: "if (producer.confirmed === 'no') throw contradiction(producer, PRODUCER, name)",
          replace: '',
        },
        {
          file: CONTROL,
          find: "if (consumer.confirmed === 'no') throw contradiction(consumer, CONSUMER, name)",
          replace: 'void contradiction',
        },
      ],
    },
  ),
  format1(
    'torn pointers are reported as damage at once',
    CONTROL,
    'if (stable) throw error',
    'throw error',
    { mix: 'tears' },
  ),
  format1(
    'what the reader read ahead is believed for ever',
    READER,
    'const wanted = Math.min(Number(producer - from), Math.max(bytes, READ_AHEAD_BYTES))',
    'const wanted = Math.max(bytes, Math.min(4096, this.#layout.dataBytes))',
  ),
  format1(
    'a pause is not granted',
    PRODUCER,
    "if ((await this.#acknowledge()) === 'suspended') return { status: 'suspended' }",
    'await this.#acknowledge()',
  ),
  format1('the claim is not given back', BASE_ROLE, 'await this.#claim?.release()', ''),
]
