import type { BlockDevice } from '../../../block/device.ts'
import type { Position } from '../../../position.ts'
import type { InspectOptions, RingInspection } from '../../inspection.ts'
import type { PoppedItem } from '../../types.ts'
import { formatUuid } from '../disk/block.ts'
import { itemsBefore } from '../disk/cursor.ts'
import { Disk } from '../disk/disk.ts'
import { currentEpoch } from '../disk/epochs.ts'
import { bytesBetween } from '../disk/log-position.ts'
import type { ConsumerSlot, ProducerSlot } from '../disk/slots.ts'
import { ConsumerLog } from '../log/consumer-log.ts'
import { replay, type Tail } from '../log/replay.ts'
import { fromPosition, toPosition } from '../position.ts'
import { MAX_PASSES } from '../role.ts'
import { Follower } from './follower.ts'
import { consumedItems, newestItems } from './past-items.ts'
import { firstCursor, type Roles, readRoles } from './state.ts'
import { statsOf } from './stats.ts'

/** Reads a ring's state; see `inspectRing`. */
export async function inspect(
  device: BlockDevice,
  { signal, maxItemBytes }: InspectOptions = {},
): Promise<RingInspection> {
  const disk = await Disk.open(device)
  const state = await readState(disk, signal)
  const { producer, consumer, tail } = state
  const { sectorSize, sizeSectors } = await device.getInfo()
  const { blockSize, dataBlocks } = disk.layout
  const committed = tail.logPosition
  const first = firstCursor({ producer, consumer })
  const waitingItems = Math.max(0, committed.seq - itemsBefore(first))
  const position = consumerPosition(disk, producer, consumer)
  const capacityBytes = dataBlocks * blockSize
  const usedBytes = Math.max(0, committed.lsn - first.logPosition.lsn) * blockSize
  return {
    format: 2,
    ring: {
      uuid: formatUuid(disk.ring.uuid),
      name: disk.ring.name,
      blockSize,
      onFull: disk.ring.overwrites ? 'overwrite' : 'wait',
    },
    sectorSize,
    sizeSectors,
    producer: {
      position: toPosition(currentEpoch(producer.epochs).epoch, committed.seq),
      suspendAck: producer.suspendAck,
      text: producer.text,
    },
    consumer: {
      position,
      suspend: consumer.suspend,
      text: consumer.text,
    },
    capacityBytes,
    usedBytes,
    freeBytes: capacityBytes - usedBytes,
    waitingItems,
    waitingBytes: waitingItems === 0 ? 0 : bytesBetween(first.bytes, committed.bytes),
    stats: statsOf(state, tail, state.oldestAt),
    items: () => items(disk, signal, maxItemBytes),
    newest: () => newestItems(disk, { producer, consumer }, committed, { signal, maxItemBytes }),
    consumed: () => consumedItems(disk, { signal, maxItemBytes }),
    follow: () => new Follower(disk, { producer, consumer }, committed, { signal, maxItemBytes }),
  }
}

/**
 * The consumer's position, limited to the unacknowledged items: the consumer may have seen a newer epoch than theirs.
 */
function consumerPosition(disk: Disk, producer: ProducerSlot, consumer: ConsumerSlot): Position {
  const { cursor, seen } = consumer
  const log = new ConsumerLog(disk, cursor, producer, async () => {})
  const { epoch, seq } = fromPosition(log.positionOf(cursor))
  return toPosition(Math.min(epoch, seen), seq)
}

/** Both roles, and the log between them. */
interface State extends Roles {
  /** The end of the committed log. */
  readonly tail: Tail
  /** Push time of the oldest unacknowledged item; undefined if there is none, or damage hides it. */
  readonly oldestAt: number | undefined
}

/** Reads both roles and the log between them, again if the producer laps the read. */
async function readState(disk: Disk, signal: AbortSignal | undefined): Promise<State> {
  for (let pass = 1; ; pass++) {
    const roles = await readRoles(disk)
    const tail = await replay(disk, roles.producer, { signal })
    const oldestAt = await readOldest(disk, roles, signal)
    const state = { ...roles, tail, oldestAt }
    if (pass === MAX_PASSES || !isLapped(state, await readRoles(disk))) return state
  }
}

async function readOldest(
  disk: Disk,
  roles: Roles,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const first = firstCursor(roles)
  const log = new ConsumerLog(disk, first, roles.producer, async () => {})
  log.begin(signal)
  const next = await log.next(log.positionOf(first))
  return 'pushedAt' in next ? next.pushedAt : undefined
}

/** True if blocks may have been reused while they were read, judged by the slots afterwards. */
function isLapped(state: State, now: Roles): boolean {
  const { logPosition } = state.tail
  // The producer checkpoints before it reuses blocks.
  if (logPosition.lsn < now.producer.committed.lsn) return true
  const first = firstCursor(state)
  const waiting = logPosition.seq - itemsBefore(first)
  if (waiting < 0) return true
  const hasMoved = firstCursor(now).logPosition.lsn !== first.logPosition.lsn
  return waiting > 0 && state.oldestAt === undefined && hasMoved
}

/** The unacknowledged items, except those acknowledged meanwhile. */
async function* items(
  disk: Disk,
  signal: AbortSignal | undefined,
  maxItemBytes: number | undefined,
): AsyncGenerator<PoppedItem> {
  const { producer, consumer } = await readRoles(disk)
  let { seen, cursor: next } = consumer
  const refresh = async (): Promise<void> => apply((await readRoles(disk)).producer)
  const log = new ConsumerLog(disk, next, producer, refresh, maxItemBytes)
  /** A new epoch takes the reader back to its beginning, once. */
  const apply = (now: ProducerSlot): void => {
    next = log.apply(now, seen, next)
    seen = log.epoch
  }
  apply(producer)
  let position = log.positionOf(next)
  let missed = 0
  for (;;) {
    log.begin(signal)
    const next = await log.next(position)
    if (next.status === 'nothing') return
    if (next.status === 'damage') {
      // Items acknowledged meanwhile may be overwritten, which is no damage.
      const now = (await readRoles(disk)).consumer
      const isBeyond = itemsBefore(now.cursor) > log.seqOf(position)
      if (!isBeyond || now.generation === consumer.generation) throw next.error
      yield* items(disk, signal, maxItemBytes)
      return
    }
    if (next.status === 'too-large') throw next.error
    position = next.position
    if (next.status === 'missed') {
      missed += next.items
      continue
    }
    const popped = { item: next.item.slice(), position, pushedAt: next.pushedAt }
    yield missed > 0 ? { ...popped, missed } : popped
    missed = 0
  }
}
