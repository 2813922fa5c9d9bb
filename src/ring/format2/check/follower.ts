import type { Position } from '../../../position.ts'
import type { Followed, FollowOptions, RingFollower } from '../../inspection.ts'
import { BOUND_KINDS, popBounds } from '../../shared/single-item.ts'
import type { PoppedItem } from '../../types.ts'
import { batchEnd } from '../disk/batch.ts'
import { type Cursor, cursorAt, itemsBefore } from '../disk/cursor.ts'
import type { Disk } from '../disk/disk.ts'
import { addBytes, type LogPosition } from '../disk/log-position.ts'
import { ConsumerLog } from '../log/consumer-log.ts'
import { BackwardReader, type BackwardReaderOptions, type PastBatch } from './backward-reader.ts'
import { firstCursor, type Roles, readRoles } from './state.ts'

/** A follower's position in the log. */
interface Reading {
  readonly log: ConsumerLog
  readonly cursor: Cursor
  /** The newest epoch that the cursor takes into account. */
  readonly seen: number
  /** The position after the last item read. */
  readonly position: Position
}

/**
 * Reads newly committed items as a consumer does, but without a role, starting at the end of the committed log. Unlike
 * a consumer's cursor, a follower's does not protect unread items from being overwritten.
 */
export class Follower implements RingFollower {
  readonly #disk: Disk
  readonly #committed: LogPosition
  readonly #options: BackwardReaderOptions
  #roles: Roles
  #at: Reading | undefined

  constructor(disk: Disk, roles: Roles, committed: LogPosition, options: BackwardReaderOptions) {
    this.#disk = disk
    this.#roles = roles
    this.#committed = committed
    this.#options = options
  }

  async read(options: FollowOptions = {}): Promise<Followed> {
    const bounds = popBounds(options, 'RingFollower.read', BOUND_KINDS)
    const { signal = this.#options.signal } = options
    signal?.throwIfAborted()
    const { log } = this.#at ?? this.#begin(await this.#startCursor())
    await this.#refresh()
    log.begin(signal)
    try {
      return await this.#read(bounds)
    } finally {
      log.end()
    }
  }

  async #read(bounds: { readonly maxItems: number; readonly maxBytes: number }): Promise<Followed> {
    const items: PoppedItem[] = []
    let missed = 0
    for (let bytes = 0; items.length < bounds.maxItems && bytes < bounds.maxBytes; ) {
      const { log, position } = this.#reading
      const next = await log.next(position)
      if (next.status === 'nothing') break
      if (next.status === 'item') {
        const { item, pushedAt } = next
        items.push({ item: item.slice(), position: next.position, pushedAt })
        bytes += item.length
        this.#move({ position: next.position })
        continue
      }
      // A loss is returned alone, before the items after it.
      if (items.length > 0) break
      if (next.status === 'damage') {
        const passed = await this.#catchUp()
        if (passed > 0) return { items, missedItems: missed + passed }
      }
      if (next.status !== 'missed' && missed > 0) break
      this.#move({ position: next.position })
      if (next.status !== 'missed') throw next.error
      missed += next.items
    }
    if (items.length > 0) await this.#forget()
    return { items, missedItems: missed }
  }

  get #reading(): Reading {
    if (this.#at === undefined) throw new Error('the follower has not begun')
    return this.#at
  }

  #move(reading: Partial<Reading>): void {
    this.#at = { ...this.#reading, ...reading }
  }

  #begin(cursor: Cursor): Reading {
    const { producer } = this.#roles
    const { maxItemBytes } = this.#options
    const refresh = () => this.#refresh()
    const log = new ConsumerLog(this.#disk, cursor, producer, refresh, maxItemBytes)
    this.#at = { log, cursor, seen: log.epoch, position: log.positionOf(cursor) }
    return this.#at
  }

  /** Reads the slots of both roles. */
  async #refresh(): Promise<void> {
    const roles = await readRoles(this.#disk)
    // An older slot is a stale read.
    if (roles.producer.generation < this.#roles.producer.generation) return
    this.#roles = roles
    const { log, seen, cursor } = this.#reading
    const next = log.apply(roles.producer, seen, cursor)
    this.#move({ cursor: next, seen: Math.max(seen, log.epoch) })
  }

  /** Drops what was read: a follower never reads an item twice. */
  async #forget(): Promise<void> {
    const { log, position } = this.#reading
    const cursor = await log.cursorOf(position)
    if (cursor === undefined) return
    log.forgetBefore(cursor.logPosition)
    this.#move({ cursor })
  }

  /**
   * Apparent damage may be blocks that the consumer has acknowledged and the producer reused. Continues at the
   * consumer's cursor then.
   * @returns the number of items skipped
   */
  async #catchUp(): Promise<number> {
    this.#roles = await readRoles(this.#disk)
    const { log, position } = this.#reading
    const first = firstCursor(this.#roles)
    const passed = itemsBefore(first) - log.seqOf(position)
    if (passed <= 0) return 0
    this.#begin(first)
    return passed
  }

  /**
   * Where the next item will be: the end of the committed log, or earlier, if items were still uncommitted when a later
   * batch committed those before them.
   */
  async #startCursor(): Promise<Cursor> {
    const committed = this.#committed
    const back = new BackwardReader(
      this.#disk,
      this.#roles.producer.epochs,
      committed,
      this.#options,
    )
    let batch = await back.before()
    if (batch === undefined || !this.#hasUncommitted(batch)) return cursorAt(committed)
    while (batch !== undefined && batch.header.start.seq > committed.seq)
      batch = await back.before()
    if (batch === undefined) return cursorAt(committed)
    const { header, items } = batch
    const index = committed.seq - header.start.seq
    const bytes = addBytes(header.start.bytes, items.bytesBefore(index))
    return { logPosition: header.start, index, bytes }
  }

  #hasUncommitted({ header }: PastBatch): boolean {
    return batchEnd(header, this.#disk.layout.blockSize).seq > this.#committed.seq
  }
}
