// Mutants: checks of what a device says, left out one by one, which the generator of hostile images has to find.

/** @param {[file: string, find: string, replace: string][]} edits */
const mutant = (name, ...edits) => ({
  name,
  format: 'hostile',
  hostile: 300,
  edits: edits.map(([file, find, replace]) => ({ file, find, replace })),
})

const IDENTIFY = 'ring/format2/disk/identify.ts'
const SLOTS = 'ring/format2/disk/slots.ts'
const WALK = 'ring/format2/log/log-reader.ts'

export const HOSTILE = [
  mutant('an item of any size is held', [
    WALK,
    'const isHeld = header.itemCount > 1 || header.bodyBytes <= this.#maxItemBytes',
    'const isHeld = header.bodyBytes >= 0 || this.#maxItemBytes < 0',
  ]),
  mutant('a table takes what it claims', [
    'ring/format2/disk/batch.ts',
    'return itemCount > 1 ? maxBatchBlocks(layout) : layout.dataBlocks',
    'return itemCount < 0 ? maxBatchBlocks(layout) : layout.dataBlocks',
  ]),
  mutant('a length of format 1 is not checked', [
    'ring/format1/record.ts',
    'if (BigInt(length) + BigInt(HEADER_BYTES) > available) {',
    'if (available < 0n) {',
  ]),
  mutant('a search does not look at its signal', [
    WALK,
    'for (let lsn = from; lsn < to; lsn += window) {\n      this.#signal?.throwIfAborted()',
    'for (let lsn = from; lsn < to; lsn += window) {',
  ]),
  mutant('numbers of a mark are not checked', [
    'ring/format2/disk/log-position.ts',
    'return isCount(lsn) && isCount(seq) && bytes < BYTES_MODULUS && fits',
    'return isCount(lsn) || isCount(seq) || bytes < BYTES_MODULUS || fits',
  ]),
  mutant('a mark may count more than fits before it', [
    'ring/format2/disk/log-position.ts',
    'bytes < BYTES_MODULUS && fits',
    'bytes < BYTES_MODULUS && (fits || most > 0)',
  ]),
  mutant('a producer may go back', [
    SLOTS,
    'if (after > before || leadsTo(older.committed, newer.committed, LARGEST_BLOCK)) return undefined',
    'if (after >= before || leadsTo(older.committed, newer.committed, LARGEST_BLOCK)) return undefined',
  ]),
  mutant('a consumer may go back', [
    SLOTS,
    'if (newer.seen > older.seen || isUpTo(before, after)) return undefined',
    'if (newer.seen >= older.seen || isUpTo(before, after)) return undefined',
  ]),
  mutant('a consumer is not told what no batch holds', [
    'ring/format2/log/log-front.ts',
    'if (landmark.seq > logPosition.seq) {',
    'if (landmark.seq < 0) {',
  ]),
  mutant('verify does not tell what is lost', [
    'ring/format2/check/check-log.ts',
    'this.#findings.add(problem, start, end, lost)',
    'this.#findings.add(problem, start, end, { from: 0, to: Math.min(0, lost.to) })',
  ]),
  mutant('reach may be anything', [
    SLOTS,
    'return reach <= farthest ? undefined',
    'return reach >= 0 ? undefined',
  ]),
  mutant('a truncation and an epoch may lie behind what is committed', [
    SLOTS,
    'if (stray !== undefined) {',
    'if (![truncatedTo, start].every((from) => leadsTo(from, from, layout.blockSize))) {',
  ]),
  mutant('epochs may be in any order', [
    SLOTS,
    'if (!areAscending(epochs, layout.blockSize))',
    'if (epochs.length < 0 && !areAscending(epochs, layout.blockSize))',
  ]),
  mutant('a repair writes a slot that nobody reads', [
    'ring/format2/check/repair.ts',
    'const misfit = producerSlotMisfit(producer, disk.layout)',
    'const misfit = lost ? undefined : producerSlotMisfit(producer, disk.layout)',
  ]),
  mutant('a superblock counts wherever it lies', [
    IDENTIFY,
    'return isUnknown(superblock) || namedBy(superblock).includes(offset)',
    'return isUnknown(superblock) || namedBy(superblock).length >= 0 || offset < 0',
  ]),
  mutant('a superblock counts in the data of another ring', [
    IDENTIFY,
    'return offset >= ring.dataOffset && offset < end',
    'return offset >= ring.dataOffset && offset < end && offset < 0',
  ]),
  mutant('superblocks may contradict each other', [
    IDENTIFY,
    'if (others.length > 0) {',
    'if (others.length > 3) {',
  ]),
]
