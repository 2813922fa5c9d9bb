import { field, type Kind, nested, struct, u32, u64 } from './struct.ts'

/**
 * Where a batch begins in the log, with all that is needed to verify it. Counts of blocks and items start at the ring's
 * creation, and only grow.
 */
export interface LogPosition {
  /** Log sequence number: the blocks before this. Modulo the blocks of the data area, it is the block on the device. */
  readonly lsn: number
  /** Items before this. */
  readonly seq: number
  /** Bytes of items before this, modulo 2^48. */
  readonly bytes: number
  /** Checksum of the batch before. The next batch repeats it, which links them into a chain. */
  readonly crc: number
}

/** Bytes of a log position in a block. */
const LOG_POSITION_BYTES = 28
/** Byte counts wrap here, so that they remain exact. No ring holds that much. */
const BYTES_MODULUS = 2 ** 48

/** The beginning of every ring. */
export const ORIGIN: LogPosition = { lsn: 0, seq: 0, bytes: 0, crc: 0 }

/** Adds to a byte count. */
export function addBytes(count: number, more: number): number {
  return (count + more) % BYTES_MODULUS
}

/** Bytes from an earlier count to a later one. */
export function bytesBetween(earlier: number, later: number): number {
  return (later - earlier + BYTES_MODULUS) % BYTES_MODULUS
}

/** A log position as a field of a block. */
export const logPosition: Kind<LogPosition> = nested(
  struct({
    lsn: field('LSN', 0, u64),
    seq: field('sequence', 8, u64),
    bytes: field('bytes', 16, u64),
    crc: field('checksum', 24, u32),
  }),
  LOG_POSITION_BYTES,
)

/** The limit of counts: half of what is exact, so that sums are exact too. */
export const MAX_COUNT: number = 2 ** 52

/** True if a field is a valid number. */
export function isCount(value: number): boolean {
  return value < MAX_COUNT
}

/** The least space that an item takes in the log: its table entry. */
const MIN_ITEM_BYTES = 8

/** True if the fields are valid, also in combination: the blocks before an LSN have room for the items before it. */
export function isLogPosition({ lsn, seq, bytes }: LogPosition, blockSize: number): boolean {
  const most = (lsn + 1) * blockSize
  const fits = seq * MIN_ITEM_BYTES <= most && bytes <= most
  return isCount(lsn) && isCount(seq) && bytes < BYTES_MODULUS && fits
}

/** True if two log positions are equal, chain included. */
export function isSameLogPosition(one: LogPosition, other: LogPosition): boolean {
  const { lsn, seq, bytes, crc } = other
  return one.lsn === lsn && one.seq === seq && one.bytes === bytes && one.crc === crc
}

/** True if a log position is at or before another one, in every count. */
export function isUpTo(logPosition: LogPosition, other: LogPosition): boolean {
  return logPosition.lsn <= other.lsn && logPosition.seq <= other.seq
}

/**
 * True if the log can lead from one log position to another: they are equal, or the blocks between them have room for
 * the items and bytes between them.
 */
export function leadsTo(logPosition: LogPosition, other: LogPosition, blockSize: number): boolean {
  if (logPosition.lsn === other.lsn) return isSameLogPosition(logPosition, other)
  const most = (other.lsn - logPosition.lsn) * blockSize
  const items = other.seq - logPosition.seq
  const fits =
    items * MIN_ITEM_BYTES <= most && bytesBetween(logPosition.bytes, other.bytes) <= most
  return logPosition.lsn < other.lsn && items >= 0 && fits
}
