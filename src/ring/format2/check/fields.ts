import type { FieldSpec } from '../../report/dump.ts'
import { BATCH_HEADER_BYTES, RECORD_BYTES } from '../disk/batch.ts'

/** Where an epoch's entries begin in a producer slot, and how long each is. */
const EPOCHS_AT = 248
const EPOCH_BYTES = 40
/** Where a producer slot counts its epochs. */
const EPOCH_COUNT_AT = 110

const BLOCK: readonly FieldSpec[] = [
  ['magic', 0, 8, 'text'],
  ['checksum', 8, 4],
  ['type', 12, 1],
  ['own offset', 16, 8],
  ['uuid', 24, 16, 'hex'],
  ['generation', 40, 8],
  ['block size', 48, 4],
]

/** The fields of the superblock. */
export const SUPERBLOCK_FIELDS: readonly FieldSpec[] = [
  ...BLOCK,
  ['compatible features', 64, 4],
  ['read-only compatible features', 68, 4],
  ['incompatible features', 72, 4],
  ['block size of the ring', 76, 4],
  ['device bytes', 80, 8],
  ['data offset', 88, 8],
  ['data blocks', 96, 8],
  ['checksum algorithm', 104, 4],
  ['name length', 108, 2],
  ['name', 128, 256, 'text'],
]

/** The fields of a consumer slot. */
export const CONSUMER_FIELDS: readonly FieldSpec[] = [
  ...BLOCK,
  ['seen epoch', 64, 8],
  ...logPosition('cursor', 72),
  ['index in the batch', 104, 4],
  ['suspend', 108, 1],
  ['text length', 112, 2],
  ['bytes before', 120, 8],
  ['time', 128, 8],
  ['skipped items', 136, 8],
  ['missed items', 144, 8],
  ['text', 184, 64, 'text'],
]

/** The fields of a lease. */
export const LEASE_FIELDS: readonly FieldSpec[] = [
  ...BLOCK,
  ['times taken', 64, 8],
  ['time', 72, 8],
  ['nonce', 80, 8, 'hex'],
  ['timeout', 88, 4],
  ['status', 92, 1],
  ['owner length', 93, 1],
  ['owner', 96, 64, 'text'],
]

/** The fields of a batch's header. */
export const BATCH_FIELDS: readonly FieldSpec[] = [
  ['magic', 0, 4, 'text'],
  ['checksum', 4, 4],
  ['LSN', 8, 8],
  ['epoch', 16, 8],
  ['sequence', 24, 8],
  ['bytes before', 32, 8],
  ['committed to', 40, 8],
  ['time', 48, 8],
  ['checksum of the batch before', 56, 4],
  ['checksum of the uuid', 60, 4],
  ['records', 64, 4],
  ['body bytes', 68, 4],
  ['checksum of the table', 72, 4],
  ['mask', 76, 4, 'hex'],
]

/** The fields of a producer slot, with as many epochs as it says. */
export function producerFields(block: Uint8Array): readonly FieldSpec[] {
  const count = (block[EPOCH_COUNT_AT] ?? 0) + 256 * (block[EPOCH_COUNT_AT + 1] ?? 0)
  const room = Math.floor((block.length - EPOCHS_AT) / EPOCH_BYTES)
  const epochs = Array.from({ length: Math.min(count, room) }, (_, index): readonly FieldSpec[] => {
    const at = EPOCHS_AT + index * EPOCH_BYTES
    const name = `epoch ${index + 1}`
    return [[name, at, 8], ...logPosition(`${name} start`, at + 8), [`${name} span`, at + 36, 4]]
  })
  return [
    ...BLOCK,
    ['epoch', 64, 8],
    ...logPosition('committed', 72),
    ['suspend_ack', 108, 1],
    ['number of epochs', EPOCH_COUNT_AT, 2],
    ['text length', 112, 2],
    ['reach', 120, 8],
    ['time', 128, 8],
    ['commits', 136, 8],
    ['retries', 144, 8],
    ...logPosition('truncated to', 152),
    ['text', 184, 64, 'text'],
    ...epochs.flat(),
  ]
}

/** The fields of a batch's table: those of some of its items. */
export function tableFields(from: number, to: number): readonly FieldSpec[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, index): readonly FieldSpec[] => {
    const at = BATCH_HEADER_BYTES + (from + index) * RECORD_BYTES
    return [
      [`length of item ${from + index}`, at, 4],
      [`checksum of item ${from + index}`, at + 4, 4],
    ]
  }).flat()
}

function logPosition(name: string, at: number): readonly FieldSpec[] {
  return [
    [`${name} LSN`, at, 8],
    [`${name} sequence`, at + 8, 8],
    [`${name} bytes`, at + 16, 8],
    [`${name} checksum`, at + 24, 4],
  ]
}
