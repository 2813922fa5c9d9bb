import { expect, test } from 'vitest'
import { BatchIndex } from '../../../src/ring/format2/log/batch-index.ts'
import type { ReadBatch } from '../../../src/ring/format2/log/log-reader.ts'

const BLOCK = 64 << 10
const COUNT = 1000

test('batches keep memory by their blocks, however little is in them', () => {
  const steps = new BatchIndex(BLOCK)
  const at = (lsn: number) => ({ lsn, seq: lsn, bytes: lsn, crc: 0 })
  for (let lsn = 0; lsn < COUNT; lsn++) {
    const items = { release: () => undefined }
    const header = { start: at(lsn), bodyBytes: 1 }
    const batch = { header, end: at(lsn + 1), items } as unknown as ReadBatch
    steps.add({ kind: 'batch', start: at(lsn), end: at(lsn + 1), limit: Infinity, batch })
  }
  const kept = [...Array(COUNT).keys()].filter((seq) => steps.find(seq)?.kind === 'batch')
  expect(kept.length * BLOCK).toBeLessThanOrEqual(8 << 20)
  expect(kept).toContain(COUNT - 1)
})
