import type { BlockDevice } from '../../block/device.ts'
import { systemClock } from '../../clock.ts'
import { isRingError, RingError } from '../../errors.ts'
import { asPosition, type Position } from '../../position.ts'
import type { InspectOptions, RingInspection } from '../inspection.ts'
import { NO_NAMES } from '../names.ts'
import type { PoppedItem } from '../types.ts'
import { Control } from './control.ts'
import { Follower } from './follower.ts'
import { recordBytes } from './layout.ts'
import { RecordReader } from './reader.ts'

/** The consumer's pointer is read again after this many bytes of items. */
const BATCH_BYTES = 1 << 20
const BATCH_ITEMS = 1000

/** An unacknowledged record, without its item, which may be too large for memory. */
export interface WaitingRecord {
  /** Bytes of the item. */
  readonly length: number
  /** The position after it. */
  readonly position: Position
}

/** A ring's state, as the tools read it. */
export interface Inspection extends RingInspection {
  /** The unacknowledged records, one by one. All of their bytes are read. */
  records(signal: AbortSignal | undefined): AsyncIterable<WaitingRecord>
}

/** Reads a ring's state; see `inspectRing`. */
export async function inspect(
  device: BlockDevice,
  { maxItemBytes, signal }: Pick<InspectOptions, 'maxItemBytes' | 'signal'> = {},
): Promise<Inspection> {
  const control = await Control.open(device, NO_NAMES, systemClock)
  const { producer, consumer } = await control.refresh()
  const { sectorSize, sizeSectors, dataBytes } = control.layout
  const usedBytes = Number(producer.offset - consumer.offset)
  return {
    format: 1,
    sectorSize,
    sizeSectors,
    producer: {
      position: asPosition(producer.offset),
      suspendAck: producer.flag,
      text: producer.text,
    },
    consumer: {
      position: asPosition(consumer.offset),
      suspend: consumer.flag,
      text: consumer.text,
    },
    capacityBytes: dataBytes,
    usedBytes,
    freeBytes: dataBytes - usedBytes,
    items: () => items(control, consumer.offset, producer.offset, maxItemBytes),
    newest: () =>
      unsupported(device, 'be read backward: a record does not record where the one before begins'),
    consumed: () =>
      unsupported(device, 'be recognised once they are acknowledged: they have no checksum'),
    follow: () => new Follower(control, producer.offset, maxItemBytes, signal),
    records: (signal) => records(control, consumer.offset, producer.offset, signal),
  }
}

/** @throws {RingError} `RING_UNSUPPORTED`, when the first item is read */
async function* unsupported({ name }: BlockDevice, limitation: string): AsyncGenerator<PoppedItem> {
  yield* []
  const message = `The ring on ${name} is of format 1, whose items cannot ${limitation}`
  throw new RingError('RING_UNSUPPORTED', message, {
    device: name,
    expected: 'a ring of format 2',
    found: 'format 1',
  })
}

/** The items between two offsets. */
function items(
  control: Control,
  from: bigint,
  to: bigint,
  maxItemBytes: number | undefined,
): AsyncGenerator<PoppedItem> {
  const reader = new RecordReader(control.device, control.layout, maxItemBytes)
  return waiting(control, from, to, (at) => reader.readMany(at, to, BATCH_ITEMS, BATCH_BYTES))
}

/** The records between two offsets. */
function records(
  control: Control,
  from: bigint,
  to: bigint,
  signal: AbortSignal | undefined,
): AsyncGenerator<WaitingRecord> {
  const reader = new RecordReader(control.device, control.layout)
  return waiting(control, from, to, async (begin) => {
    const batch: WaitingRecord[] = []
    for (
      let at = begin;
      at < to && at < begin + BigInt(BATCH_BYTES) && batch.length < BATCH_ITEMS;
    ) {
      try {
        const length = await reader.pass(at, to, signal)
        at += BigInt(recordBytes(length))
        batch.push({ length, position: asPosition(at) })
      } catch (error) {
        // This batch returns the records before it; the next one throws.
        if (batch.length === 0) throw error
        break
      }
    }
    return batch
  })
}

/**
 * Reads between two offsets, except for what the consumer acknowledges meanwhile. Acknowledged space may be overwritten
 * during the read, so a batch counts only if the consumer has not passed it afterwards.
 * @param read reads a batch at an offset
 */
async function* waiting<T extends { readonly position: Position }>(
  control: Control,
  from: bigint,
  to: bigint,
  read: (at: bigint) => Promise<readonly T[]>,
): AsyncGenerator<T> {
  for (let at = from; at < to; ) {
    const batch = await readBatch(() => read(at))
    const { consumer } = await control.refresh()
    if (consumer.offset > at) {
      at = consumer.offset
    } else if (batch instanceof Error) {
      throw batch
    } else {
      yield* batch
      at = batch.at(-1)?.position ?? to
    }
  }
}

/** Reads a batch; or finds the problem of its first record, which counts only if that is still unacknowledged. */
async function readBatch<T>(read: () => Promise<readonly T[]>): Promise<readonly T[] | RingError> {
  try {
    return await read()
  } catch (error) {
    if (isRingError(error)) return error
    throw error
  }
}
