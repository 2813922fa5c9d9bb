// Mutants: one rule of a format left out each, which the simulator has to find. `find` has to occur exactly once in
// the file (within src). `edits` are done together, where two rules cover each other. `mix` and `seeds` say
// where to look, if not in the first SEEDS seeds of the default mix; `exhaust` has every crash point of a script tried
// instead, and is what scripts/sim-exhaust.mjs takes; `hostile`, so many images of test/fuzz/hostile.

import { HOSTILE } from '../fuzz/hostile/mutants.mjs'
import { GROUPS } from './group-mutants.mjs'
import { LEASES } from './lease-mutants.mjs'
import { NBD } from './nbd-mutants.mjs'
import { POOLS } from './pool-mutants.mjs'
import { READERS } from './reader-mutants.mjs'
import { WORK } from './work-mutants.mjs'

/** Seeds that every mutant gets, unless it says otherwise; without a mutant, they have to find nothing. */
export const SEEDS = 4000

/** @typedef {{ file: string, find: string, replace: string }} Edit */
/** @typedef {{ name: string, format: string, edits: Edit[], mix?: string, seeds?: number,
 *   exhaust?: string[], device?: string, hostile?: number }} Mutant */

const PRODUCER = 'ring/format1/producer.ts'
const CONSUMER = 'ring/format1/consumer.ts'
const CONTROL = 'ring/format1/control.ts'
const ROLE = 'ring/format1/role.ts'
const BASE_ROLE = 'ring/shared/base-role.ts'
const READER = 'ring/format1/reader.ts'

const format1 = (name, file, find, replace, more = {}) => ({
  name,
  format: '1',
  edits: [{ file, find, replace }],
  ...more,
})

const BATCH2 = 'ring/format2/disk/batch.ts'
const BLOCK2 = 'ring/format2/disk/block.ts'
const CONSUMER2 = 'ring/format2/consumer.ts'
const DISK2 = 'ring/format2/disk/disk.ts'
const EPOCHS2 = 'ring/format2/disk/epochs.ts'
const MASK2 = 'ring/format2/disk/mask.ts'
const CURSOR = 'ring/format2/disk/cursor.ts'
const PRODUCER2 = 'ring/format2/producer.ts'
const BATCH_BUILDER2 = 'ring/format2/batch-builder.ts'
const BATCH_CUTTER = 'ring/format2/batch-cutter.ts'
const CONSUMER_LOG = 'ring/format2/log/consumer-log.ts'
const LOG_FRONT = 'ring/format2/log/log-front.ts'
const REPLAY = 'ring/format2/log/replay.ts'
const RECOVER2 = 'ring/format2/recover.ts'
const ROLE2 = 'ring/format2/role.ts'
const FREE_SPACE = 'ring/format2/log/free-space.ts'
const BATCH_INDEX = 'ring/format2/log/batch-index.ts'
const LOG_READER = 'ring/format2/log/log-reader.ts'

/** @param {[file: string, find: string, replace: string][]} edits */
const format2 = (name, mix, seeds, edits, format = '2') => ({
  name,
  format,
  mix,
  seeds,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

/**
 * A mutant that needs so much at once that no seed finds it soon.
 * @param {string[]} how
 * @param {[file: string, find: string, replace: string][]} edits
 */
const exhaustive = (name, [prelude, scripts, ...how], edits, format = '2') => ({
  name,
  format,
  exhaust: ['--prelude', prelude, '--scripts', scripts, ...how],
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

const SILENTLY = ['--twice', '--loss', 'silentReset']

const FORMAT2 = [
  format2('the producer does not flush when it attaches', 'storm', 3000, [
    [
      RECOVER2,
      'before = { slots, tail }\n    await disk.device.flush()',
      'before = { slots, tail }',
    ],
  ]),
  format2('an epoch is published after items were accepted', 'storm', 1500, [
    [
      PRODUCER2,
      `await this.#checkpoint(newestBefore.older)
    await this.#checkpoint(newestBefore.which)
    await this.refresh()
`,
      '',
    ],
  ]),
  format2('the higher consumer slot frees space', 'storm', 1500, [
    [FREE_SPACE, '(end.lsn < lower.lsn ? end : lower)', '(end.lsn > lower.lsn ? end : lower)'],
  ]),
  format2('a cursor that did not see an epoch frees space behind its start', 'storm', 3000, [
    [FREE_SPACE, 'unseen !== undefined && unseen.start.lsn < logPosition.lsn', 'false'],
  ]),
  format2('freed space is not checked', 'none', 500, [
    [PRODUCER2, 'return this.#space.giveUp(needed, this.#committed, signal)', 'return true'],
  ]),
  format2('neither place nor sequence nor chain of a batch is checked', 'storm', 1500, [
    [BATCH2, "if (foundLsn !== lsn) return bad('LSN', String(lsn), String(foundLsn))", ''],
    [
      LOG_READER,
      'start.seq === logPosition.seq &&\n    start.crc === logPosition.crc &&\n    start.bytes === logPosition.bytes',
      'start !== logPosition',
    ],
  ]),
  format2("a batch's ring is not checked", 'none', 500, [
    [
      BATCH2,
      "if (foundUuid !== uuid) return bad('checksum of the uuid', String(uuid), String(foundUuid))",
      '',
    ],
  ]),
  format2("a batch's epoch is not checked", 'storm', 4000, [
    [LOG_READER, '&& allowsEpoch(epochs, lsn, header.epoch) ', ''],
  ]),
  exhaustive(
    "a header's checksum is not checked",
    ['', 'p1T'],
    [[BATCH2, "if (computed !== crc) return bad('checksum', String(computed), String(crc))", '']],
  ),
  format2("an item's checksum is not checked", 'flip', 1500, [
    [
      'ring/format2/log/batch-items.ts',
      'checksums[index] === table?.getUint32(entry + 4, true)',
      'table !== undefined',
    ],
  ]),
  format2("a slot's checksum is not checked", 'flip', 3000, [
    [
      BLOCK2,
      "if (stored !== computed) return bad('checksum', String(computed), String(stored))",
      '',
    ],
  ]),
  format2(
    'items are not masked',
    'storm',
    300,
    [
      [
        MASK2,
        'if (LOOKALIKE[batch[at + 1] as number] === 1 && isNear(wordAt(batch, at))) return true',
        '',
      ],
    ],
    '2-hostile',
  ),
  format2(
    'items are only masked where they are a magic, not one bit off',
    'none',
    500,
    [[MASK2, 'isPowerOfTwo((word ^ OWN) & 0xffffff)', '((word ^ OWN) & 0xffffff) === 0']],
    '2-hostile',
  ),
  format2(
    'items are unmasked twice',
    'none',
    300,
    [
      [
        BATCH2,
        'applyMasks(batch, masks, 0, batch.length)',
        'for (let twice = 0; twice < 2; twice++) applyMasks(batch, masks, 0, batch.length)',
      ],
    ],
    '2-hostile',
  ),
  format2(
    'a mask is the first that comes to mind',
    'none',
    1000,
    [[MASK2, 'return ruledOut.indexOf(0)', 'return 1']],
    '2-hostile',
  ),
  format2('a flipped bit in a table is not corrected', 'flip', 3000, [
    [LOG_READER, 'if (!mayCorrect || items.hasTable) return { items }', 'return { items }'],
  ]),
  format2('a flipped bit in a header is not corrected', 'flip', 3000, [
    [LOG_READER, 'guess?.header.start.crc === logPosition.crc', 'guess?.header.start.crc === -1'],
  ]),
  format2('a failed write does not end the handle', 'eio', 1500, [
    [BASE_ROLE, 'throw isRefusal(error) ? error : this.poisonWith(error)', 'throw error'],
  ]),
  format2('a failed write is taken for a good one', 'eio', 1500, [
    [BASE_ROLE, 'throw isRefusal(error) ? error : this.poisonWith(error)', 'void error'],
  ]),
  format2('the consumer acknowledges what it pops', 'kill', 500, [
    [
      CONSUMER2,
      'from = popped.at(-1)?.position ?? from\n',
      `from = popped.at(-1)?.position ?? from
        await this.#checkpoint(this.#savedAt(await this.#log.cursorOf(from)))
`,
    ],
  ]),
  format2('the consumer has one slot', 'storm', 1500, [
    [CONSUMER2, 'which: SlotIndex = this.#slots.older', 'which: SlotIndex = 0'],
  ]),
  format2('what was refused counts as acknowledged', 'honest', 3000, [
    [
      CONSUMER2,
      "    traceConsumer('set', slot",
      "    this.#saved = saved\n    traceConsumer('set', slot",
    ],
  ]),
  format2('an idle consumer leaves its other slot as it is', 'none', 1500, [
    [
      CONSUMER2,
      'for (let writes = 0; writes < 2 && !this.#slots.have(this.#saved); writes++) {',
      'for (let writes = 0; writes < 0; ) {',
    ],
  ]),
  format2('the older slot counts', 'none', 500, [
    [
      ROLE2,
      '(!isBad(first) && first.generation > second.generation)',
      '(!isBad(first) && first.generation < second.generation)',
    ],
  ]),
  format2('the log is cut at a batch that is damaged', 'flip', 3000, [
    [REPLAY, 'if (later === undefined) break', 'if (later !== logPosition) break'],
  ]),
  format2('recovery commits what was uncommitted', 'kill', 500, [
    [REPLAY, 'const { committedTo: seq } = batch.header', 'const { seq } = batch.end'],
  ]),
  format2('a consumer does not go back to where an epoch began', 'storm', 1500, [
    [
      LOG_FRONT,
      'const cursor = cursorAfter(before, seen, producer.epochs)',
      'const cursor = before',
    ],
  ]),
  format2('entries are merged across what a consumer has seen', 'storm', 4000, [
    [EPOCHS2, ' && !seen.some((s) => first.epoch <= s && s < second.epoch)', ''],
  ]),
  format2('a batch that is kept has no claim to the memory that it is in', 'storm', 1500, [
    [LOG_READER, 'pooled.share()', 'pooled'],
  ]),
  format2('items that were dropped are delivered', 'storm', 1500, [
    [BATCH_INDEX, 'limit: Math.min(segment.limit, start.seq)', 'limit: segment.limit'],
    [LOG_FRONT, 'this.index.dropFrom(start)\n    this.#committedTo = start.seq', ''],
  ]),
  format2('the place is not published before space is used again', 'storm', 1500, [
    [
      PRODUCER2,
      'if (this.#isBehind || !this.#isPermitted(overwritten)) await this.#checkpointBefore(overwritten)',
      '',
    ],
  ]),
  format2('what was read ahead is believed for ever', 'none', 500, [
    [
      LOG_READER,
      `if (batch?.whole === true || !mayBeOld) return batch
    // The batch may have been written since the block was prefetched.
    this.forget()
    return this.#batchAt(logPosition, epochs)`,
      'return batch',
    ],
  ]),
  format2('the data is read before the slots', 'none', 1500, [
    [
      LOG_FRONT,
      'let batch = await this.#nextBatch()',
      'let batch = recheckedAt === this.#frontier.lsn ? undefined : await this.#nextBatch()',
    ],
    [
      LOG_FRONT,
      `if (landmark === undefined) return { status: 'nothing' }
      // The producer completed every batch before a landmark before it wrote the slot: what was prefetched may be
      // older.
      this.reader.forget()
      batch = await this.#batchAt(this.#frontier)
`,
      `if (recheckedAt !== this.#frontier.lsn) return { kind: 'suspect', lsn: this.#frontier.lsn }
      if (landmark === undefined) return { status: 'nothing' }
`,
    ],
  ]),
  format2('batches are not written durably', 'power', 500, [
    [
      DISK2,
      'return this.device.write(sector, [bytes], { durable: true })',
      'return this.device.write(sector, [bytes])',
    ],
  ]),
  format2("the producer's slots are not written durably", 'storm', 3000, [
    [
      DISK2,
      `await this.#writeSlot(offset, (block) =>
      encodeProducerSlot(block, offset, this.ring.uuid, slot),
    )`,
      `const block = this.device.allocate(this.layout.blockSize)
    encodeProducerSlot(block, offset, this.ring.uuid, slot)
    await this.device.write(this.sectorOf(offset), [block])`,
    ],
  ]),
  format2("the consumer's slots are not written durably", 'storm', 1500, [
    [
      DISK2,
      `await this.#writeSlot(offset, (block) =>
      encodeConsumerSlot(block, offset, this.ring.uuid, slot),
    )`,
      `const block = this.device.allocate(this.layout.blockSize)
    encodeConsumerSlot(block, offset, this.ring.uuid, slot)
    await this.device.write(this.sectorOf(offset), [block])`,
    ],
  ]),
  format2('a second handle is not noticed', 'second', 500, [
    [
      'ring/format2/slot-pair.ts',
      'else if (slot.generation !== generation) {',
      'else if (slot.generation < 0) {',
    ],
  ]),
  format2('no room is left for the marker of what was pushed', 'none', 500, [
    [BATCH_CUTTER, '(this.#commit ? 0 : uncommitted + count)', '0'],
  ]),
  format2('a batch is encoded ahead over the one that is being written', 'none', 500, [
    [BATCH_BUILDER2, ';[this.#memory, this.#otherMemory] = [this.#otherMemory, this.#memory]', ''],
  ]),
  format2('a batch that was encoded ahead does not follow the one before it', 'none', 500, [
    [
      PRODUCER2,
      'encodeAhead(batch, this.#startAt(tail))',
      'encodeAhead(batch, this.#startAt(this.#tail))',
    ],
  ]),
  format2(
    'what was encoded ahead does not count what the batch before it takes',
    'none',
    500,
    [[PRODUCER2, 'this.#roomFrom(tail))', 'this.#room)']],
    '2',
  ),
  format2('a pause is not granted', 'none', 500, [
    [
      PRODUCER2,
      "if (this.#isPaused && (await this.#answerSuspendRequest()) === 'suspended') {",
      'if (this.#commits < 0) {',
    ],
  ]),
  format2(
    'items are overwritten before it is said',
    'kill',
    1500,
    [[FREE_SPACE, 'overwritten <= slot.truncatedTo.lsn', 'overwritten <= this.#truncatedTo.lsn']],
    '2-overwrite',
  ),
  format2(
    'missed items are not counted',
    'none',
    500,
    [[CONSUMER2, 'missed += step.items\n', '']],
    '2-overwrite',
  ),
  format2(
    'what is not committed is given up',
    'none',
    1500,
    [[FREE_SPACE, ' || needed > committed.lsn', '']],
    '2-overwrite',
  ),
  format2('a slot that is older than the last one is believed', 'pages', 1500, [
    [
      CONSUMER2,
      'if (slot.generation >= this.#producer.generation) this.#apply(slot)',
      'this.#apply(slot)',
    ],
  ]),
  exhaustive(
    'a cursor right before what is given up is written at once',
    ['aaaaaaaao', 'aSg', '--twice'],
    [
      [
        CONSUMER2,
        'cursor !== undefined && cursor.logPosition.lsn < this.#producer.truncatedTo.lsn',
        'false',
      ],
    ],
    '2-overwrite',
  ),
  format2(
    'what seems damaged is not looked at again',
    'storm',
    1500,
    [
      [
        CONSUMER_LOG,
        'await this.#refresh()\n      recheckedAt = found.lsn',
        'recheckedAt = found.lsn',
      ],
    ],
    '2-overwrite',
  ),
  format2('the producer has one slot', 'flip', 3000, [
    [PRODUCER2, 'which: SlotIndex = this.#slots.older', 'which: SlotIndex = 0'],
    [PRODUCER2, 'await this.#checkpoint(newestBefore.older)', 'await this.#checkpoint(0)'],
    [PRODUCER2, 'await this.#checkpoint(newestBefore.which)', ''],
  ]),
  exhaustive(
    'an epoch is in one slot only',
    ['aT', 'Paa1,Paa2,Paa3,Paa4'],
    [[PRODUCER2, 'await this.#checkpoint(newestBefore.which)\n', '']],
  ),
  exhaustive(
    'the producer reads once when it attaches',
    ['aT', 'aPa', ...SILENTLY],
    [
      [
        RECOVER2,
        'before = { slots, tail }\n    await disk.device.flush()',
        'await disk.device.flush()\n    return { slots, tail }',
      ],
    ],
  ),
  exhaustive(
    'the consumer does not flush when it attaches',
    ['aTaTB', 'tatpc', ...SILENTLY],
    [
      [
        'ring/format2/checkpointed-slots.ts',
        'previous = reading\n    await disk.device.flush()',
        'previous = reading',
      ],
    ],
  ),
  exhaustive(
    'a cursor goes back by blocks only',
    ['aTm', 'qcttt', '--twice'],
    [[CURSOR, 'return itemsBefore(cursor) > start.seq', 'return false']],
  ),
]

/** @type {Mutant[]} */
export const MUTANTS = [
  format1(
    "no flush before the consumer's pointer",
    CONSUMER,
    'await this.flushSeen()',
    'this.durable = this.other.offset',
    { mix: 'storm' },
  ),
  format1(
    'no flush before freed space is used again',
    PRODUCER,
    `would return and point into our bytes.
    await this.flushSeen()`,
    `would return and point into our bytes.
    this.durable = this.other.offset`,
    { mix: 'storm' },
  ),
  format1(
    "no flush at the producer's begin",
    PRODUCER,
    `volatile cache.
    await this.flushSeen()`,
    `volatile cache.
    this.durable = this.other.offset`,
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
          find: 'if (!durable && done === items.length) await this.poisonOnFailure(this.device.flush())',
          replace: '',
        },
      ],
    },
  ),
  format1(
    'no flush after a push in several writes',
    PRODUCER,
    'if (!durable && done === items.length) await this.poisonOnFailure(this.device.flush())',
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
    'the consumer acknowledges all that is there',
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
    'throw isRefusal(error) ? error : this.poisonWith(error)',
    'throw error',
  ),
  format1(
    'a failed write is taken for a good one',
    BASE_ROLE,
    'throw isRefusal(error) ? error : this.poisonWith(error)',
    'void error',
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
    "if ((await this.#answerSuspendRequest()) === 'suspended') return { status: 'suspended' }",
    'await this.#answerSuspendRequest()',
  ),
  format1('the claim is not released', BASE_ROLE, 'await this.#release()', ''),
  ...FORMAT2,
  ...LEASES,
  ...READERS,
  ...WORK,
  ...NBD,
  ...POOLS,
  ...GROUPS,
  ...HOSTILE,
]
